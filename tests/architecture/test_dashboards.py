"""The dashboards: as Grafana publishes its format, and of nothing but metrics that exist."""

import json
import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Dashboard

from tests.support.exported import metrics
from tests.support.promql import Wrong, asked, labels, parsed

FILES = sorted((Path(__file__).parents[2] / "ops" / "dashboards").glob("*.json"))
EACH = pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
#: Grafana's own.
_BUILT_IN = {"__rate_interval", "__range"}
_KNOWN_UNITS = {value for name, value in vars(units).items() if not name.startswith("_")}


def read(file: Path) -> dict[str, Any]:
    """A dashboard as JSON."""
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    """What shows something, without the headings of rows."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def targets(board: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Every query with its panel."""
    for panel in panels(board):
        for target in panel["targets"]:
            yield panel, target


def lost(given: Any, understood: Any, path: str = "") -> Iterator[str]:
    """Where something of a dashboard does not come back from Grafana's models."""
    if isinstance(given, dict):
        for name, value in given.items():
            if not isinstance(understood, dict) or name not in understood:
                yield f"{path}.{name}"
            else:
                yield from lost(value, understood[name], f"{path}.{name}")
    elif isinstance(given, list):
        if len(given) != len(understood):
            yield path
        for position, (one, other) in enumerate(zip(given, understood, strict=False)):
            yield from lost(one, other, f"{path}[{position}]")
    elif given != understood:
        yield f"{path}: {given!r} became {understood!r}"


def through_the_models(board: dict[str, Any]) -> Any:
    """The dashboard as Grafana's published models understand it."""
    register_default_plugins()
    return json.loads(json.dumps(Dashboard.from_json(board), cls=JSONEncoder))


@EACH
def test_grafana_knows_every_field(file: Path) -> None:
    assert list(lost(read(file), through_the_models(read(file)))) == []


@pytest.mark.parametrize("where", ["board", "panel", "target", "options", "defaults", "variable"])
def test_a_wrong_field_would_be_found(where: str) -> None:
    board = read(FILES[0])
    (panel, target), *_ = targets(board)
    places = {
        "board": board,
        "panel": panel,
        "target": target,
        "options": board["panels"][1]["fieldConfig"],
        "defaults": panel["fieldConfig"]["defaults"],
        "variable": board["templating"]["list"][0],
    }
    places[where]["desciption"] = "misspelt"
    found = list(lost(board, through_the_models(board)))
    assert len(found) == 1
    assert found[0].endswith(".desciption")


@EACH
def test_panels_lie_side_by_side_on_a_grid_of_24_columns(file: Path) -> None:
    board = read(file)
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    covered = []
    for panel in board["panels"]:
        at = panel["gridPos"]
        assert 0 <= at["x"] < at["x"] + at["w"] <= 24
        covered.append(
            {
                (x, y)
                for x in range(at["x"], at["x"] + at["w"])
                for y in range(at["y"], at["y"] + at["h"])
            }
        )
    assert not any(one & other for one, other in combinations(covered, 2))
    cells = set().union(*covered)
    assert len(cells) == 24 * (1 + max(y for _, y in cells)), "there is a hole"


@EACH
def test_each_panel_says_what_to_do_and_in_which_unit(file: Path) -> None:
    for panel in panels(read(file)):
        assert panel["description"].endswith((".", "`.")), panel["title"]
        assert len(panel["description"]) > 40, panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in _KNOWN_UNITS, panel["title"]
        refs = [target["refId"] for target in panel["targets"]]
        assert len(set(refs)) == len(refs) > 0


@EACH
def test_whoever_loads_it_chooses_the_prometheus(file: Path) -> None:
    board = read(file)
    (chosen, *others) = board["templating"]["list"]
    assert (chosen["type"], chosen["query"]) == ("datasource", "prometheus")
    for one in [*panels(board), *others]:
        assert one["datasource"] == {"type": "prometheus", "uid": f"${{{chosen['name']}}}"}
    assert not any("datasource" in target for _, target in targets(board))


@EACH
def test_every_query_asks_for_what_exists(file: Path) -> None:
    for panel, target in targets(read(file)):
        expression = parsed(target["expr"])
        assert asked(expression), panel["title"]
        left = labels(expression)
        assert set(re.findall(r"\{\{(\w+)\}\}", target.get("legendFormat", ""))) <= left
        heatmap = panel["type"] == "heatmap"
        assert (target.get("format") == "heatmap") == heatmap == ("le" in left), panel["title"]


@EACH
def test_every_variable_is_defined_and_used_and_lists_what_exists(file: Path) -> None:
    board = read(file)
    variables = {one["name"]: one for one in board["templating"]["list"][1:]}
    queries = {name: one["query"]["query"] for name, one in variables.items()}
    texts = [target["expr"] for _, target in targets(board)]
    used = set(re.findall(r"\$(\w+)", " ".join([*texts, *queries.values()])))
    assert used - _BUILT_IN == set(variables)
    for query in queries.values():
        match = re.fullmatch(r"label_values\((.+), (\w+)\)", query)
        assert match
        assert match[2] in labels(parsed(match[1]))


def test_every_metric_is_on_a_board() -> None:
    exprs = [target["expr"] for file in FILES for _, target in targets(read(file))]
    shown = {one.metric.name for expr in exprs for one in asked(parsed(expr))}
    assert set(metrics()) - shown == set()


def test_no_label_can_hold_an_id_or_a_name() -> None:
    bounded = {"topic", "type", "outcome", "code", "reason", "where", "kind", "verdict"}
    of_the_watch = {"provider", "stage", "status", "service"}
    assert set().union(*(one.labels for one in metrics().values())) == bounded | of_the_watch


def test_two_boards_are_two() -> None:
    boards = [read(file) for file in FILES]
    assert len({board["uid"] for board in boards}) == len({b["title"] for b in boards}) == 2


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("tenure_redy", "no metric"),
        ("tenure_batch_seconds", "no metric"),
        ("tenure_messages_consumed", "no metric"),
        ('tenure_ready{topic="payments.events"}', "no label"),
        ('tenure_watch_rate{topic="payment.events"}', "never has"),
        ('tenure_watch_subscriptions{status=~"hold|grce"}', "never has"),
        ("sum by (service) (tenure_ready)", "nothing below"),
        ("sum by (job) (sum(tenure_ready))", "nothing below"),
        ("rate(tenure_ready[5m])", "only grow"),
        (
            "histogram_quantile(0.9, sum by (job) (rate(tenure_batch_seconds_bucket[5m])))",
            "without le",
        ),
        ("rate(tenure_due_rows_total)", "expected type"),
        ("sum(tenure_ready", "unclosed"),
    ],
)
def test_a_wrong_expression_would_be_found(expression: str, why: str) -> None:
    with pytest.raises(Wrong, match=why):
        labels(parsed(expression))
