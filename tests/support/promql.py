"""What a PromQL expression asks for, held against the metrics that exist."""

import re
from dataclasses import dataclass
from typing import get_args

import promql_parser as promql
from prometheus_client import CollectorRegistry, ProcessCollector

from contracts.operations import AlertCode
from contracts.topics import SERVICES, TOPICS
from ops.watch.populations import NAMES
from services.notifications.verdicts import Verdict
from tests.support.exported import Metric, metrics

#: What Prometheus adds to whatever it collects. The names of the jobs are ours: docs/operations.md.
TARGET = frozenset({"job", "instance"})
JOBS = frozenset({f"tenure-{name}" for name in (*SERVICES, "watch")})
#: Of Prometheus itself, and of the Python client.
_FOREIGN = {
    "up": Metric("up", "Gauge", frozenset()),
    "ALERTS": Metric("ALERTS", "Gauge", frozenset({"alertname", "alertstate", "severity"})),
    **{
        metric.name: Metric(metric.name, metric.type.title(), frozenset())
        for metric in ProcessCollector(registry=CollectorRegistry()).collect()
        if metric.type == "gauge"
    },
    "process_cpu_seconds_total": Metric("process_cpu_seconds_total", "Counter", frozenset()),
}
#: The values of labels that are known beforehand: a misspelt one would never match.
_VALUES: dict[tuple[str, str], frozenset[str]] = {
    ("tenure_watch_subscriptions", "status"): frozenset(NAMES),
    ("tenure_watch_alerts_open", "code"): frozenset(get_args(AlertCode)),
    ("tenure_watch_latency_seconds", "stage"): frozenset({"payment_to_entitlement", "payment_to_mail"}),
    ("tenure_mail_attempts_total", "verdict"): frozenset(
        word for part in get_args(Verdict.__annotations__["what"]) for word in get_args(part)
    ),
}  # fmt: skip
_OF_COUNTERS = {"rate", "increase", "irate"}
_COMPARED = {"==", "!=", "<", ">", "<=", ">="}
_SETS = {"and", "unless"}


class Wrong(Exception):
    """An expression that can never give what it is meant to give; the text says why."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One selector: the metric, the series of it, and the matchers."""

    metric: Metric
    series: str
    matchers: tuple[promql.Matcher, ...]


def parsed(text: str) -> promql.Expr:
    """The expression, with Grafana's variables filled in. Raises Wrong."""
    text = text.replace("$__rate_interval", "5m").replace("$__range", "1h")
    try:
        return promql.parse(re.sub(r"\$[a-z]+", ".+", text))
    except ValueError as error:
        raise Wrong(f"{error}: {text}") from error


def asked(expr: promql.Expr) -> list[Asked]:
    """Every selector of an expression. Raises Wrong for a metric, label or value that does not exist."""
    found: list[promql.VectorSelector] = []

    def look(node: promql.Expr) -> None:
        if isinstance(node, promql.VectorSelector):
            found.append(node)

    promql.walk(expr, look)
    return [_selected(one) for one in found]


def _selected(selector: promql.VectorSelector) -> Asked:
    name = selector.name or ""
    exist = {series: metric for metric in metrics().values() for series in metric.series}
    metric = (_FOREIGN | exist).get(name)
    if metric is None:
        raise Wrong(f"no metric is called {name!r}")
    for matcher in selector.matchers.matchers:
        if matcher.name not in _labels_of(metric, name):
            raise Wrong(f"{name} has no label {matcher.name!r}")
        _check_value(metric, matcher)
    return Asked(metric, name, tuple(selector.matchers.matchers))


def _labels_of(metric: Metric, series: str) -> frozenset[str]:
    return metric.labels | TARGET | ({"le"} if series.endswith("_bucket") else frozenset())


def _check_value(metric: Metric, matcher: promql.Matcher) -> None:
    exist = _VALUES.get((metric.name, matcher.name))
    if matcher.name == "job":
        exist = JOBS
    if matcher.name == "topic":
        exist = frozenset(topic.name for topic in TOPICS)
    if exist is None:
        return
    pattern = matcher.op in (promql.MatchOp.Re, promql.MatchOp.NotRe)
    for word in matcher.value.split("|") if pattern else [re.escape(matcher.value)]:
        if not any(re.fullmatch(word, value) for value in exist):
            raise Wrong(f"{metric.name} never has {matcher.name}={word!r}")


def labels(expr: promql.Expr) -> frozenset[str]:
    """The labels that the result of an expression has. Raises Wrong where none can come out."""
    match expr:
        case promql.VectorSelector():
            one = _selected(expr)
            return _labels_of(one.metric, one.series)
        case promql.MatrixSelector():
            return labels(expr.vector_selector)
        case promql.ParenExpr() | promql.UnaryExpr():
            return labels(expr.expr)
        case promql.AggregateExpr():
            return _grouped(expr)
        case promql.Call():
            return _called(expr)
        case promql.BinaryExpr():
            return _joined(expr)
    return frozenset()


def _grouped(expr: promql.AggregateExpr) -> frozenset[str]:
    inner = labels(expr.expr)
    if expr.modifier is None:
        return frozenset()
    if expr.modifier.type != promql.AggModifierType.By:
        raise Wrong("say which labels stay, not which go")
    if lost := set(expr.modifier.labels) - inner:
        raise Wrong(f"nothing below has the label {sorted(lost)}: {expr.prettify()}")
    return frozenset(expr.modifier.labels)


def _called(expr: promql.Call) -> frozenset[str]:
    name = expr.func.name
    if name == "absent":
        (one,) = asked(expr)
        return frozenset(m.name for m in one.matchers if m.op == promql.MatchOp.Equal)
    inner = frozenset[str]().union(*(labels(argument) for argument in expr.args))
    if name == "histogram_quantile":
        if "le" not in inner:
            raise Wrong(f"no quantile without le: {expr.prettify()}")
        return inner - {"le"}
    counted = {one.metric.kind != "Gauge" for one in asked(expr)}
    if name in _OF_COUNTERS and counted != {True}:
        raise Wrong(f"{name} of something that does not only grow: {expr.prettify()}")
    return inner


def _joined(expr: promql.BinaryExpr) -> frozenset[str]:
    sides = [labels(side) for side in (expr.lhs, expr.rhs)]
    operator = str(expr.op)
    if operator == "or":
        return sides[0] | sides[1]
    if operator in _SETS | _COMPARED or _scalar(expr.rhs):
        return sides[0]
    return sides[1] if _scalar(expr.lhs) else sides[0] & sides[1]


def _scalar(expr: promql.Expr) -> bool:
    of_a_call = isinstance(expr, promql.Call) and expr.func.return_type == promql.ValueType.Scalar
    return of_a_call or isinstance(expr, promql.NumberLiteral)
