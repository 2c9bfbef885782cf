"""How one frame looks: what needs a person first, each row one line, and no more rows than there is room."""

from collections.abc import Sequence
from datetime import timedelta

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ops.alert_board import Known
from ops.phrases import short
from ops.terminal import moment, safe
from ops.top.figures import (
    Latency,
    ServiceRow,
    TopicRow,
    latencies,
    populations,
    services,
    topics,
)
from ops.top.quantities import count, rate, span
from ops.top.sight import ASKING, WATCH, Sight

_STATES = {ASKING: "dim", "ready": "green", "not ready": "red", "away": "bold red"}
#: A frame with this many lines has room for empty ones between its panels.
_ROOMY = 32
#: Where the frame may have any length; with more, those of one code share a line.
_ALERTS_MOST = 10


def render(sight: Sight, height: int | None = None, keys: str = "") -> RenderableType:
    """One frame of at most `height` lines (any number without it); `keys` says what can be typed."""
    fixed = [_services(sight), _latency(sight), _populations(sight)]
    gap = 1 if height is None or height >= _ROOMY else 0
    parts: list[tuple[RenderableType, int]] = [(_head(sight, keys), 1), *fixed]
    room = None
    if height is not None:
        room = height - sum(lines for _, lines in parts) - gap * (len(parts) + 1)
    alerts, written = _share(room, len(sight.alerts.value or ()), len(topics(sight)))
    parts[2:2] = [_alerts(sight, alerts)]
    parts.append(_topics(sight, written))
    shown: list[RenderableType] = []
    for position, (part, _) in enumerate(parts):
        shown += [Text()] * gap if position else []
        shown.append(part)
    return Group(*shown)


def _share(room: int | None, alerts: int, written: int) -> tuple[int | None, int | None]:
    """How many rows alerts and topics get below their titles: half for each, and what the other leaves."""
    if room is None:
        return None, None
    rows = max(room - 2, 2)
    alerts, written = max(alerts, 1), max(written, 1)
    for_alerts = min(alerts, max(rows // 2, rows - written))
    return for_alerts, max(rows - for_alerts, 1)


def _head(sight: Sight, keys: str) -> Text:
    now, clock = sight.at, "real clock"
    if sight.virtual:
        backlog = sight.backlog.value
        now, clock = (backlog.work.now if backlog else now), "virtual clock"
    text = Text("tenure top", style="bold", no_wrap=True, overflow="ellipsis")
    text.append(f"   {moment(now, seconds=True)} UTC ({clock})", style="none")
    return text.append(f"   {keys}", style="dim")


def _table(*titles: str, wide: int) -> Table:
    """A table whose column number `wide` is the one that gives way; a row is a line."""
    out = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", expand=True)
    for position, title in enumerate(titles):
        out.add_column(
            Text(title, style="bold cyan" if position == 0 else "bold"),
            justify="left" if position in (0, wide) else "right",
            no_wrap=True,
            overflow="ellipsis",
            ratio=1 if position == wide else None,
        )
    return out


def _services(sight: Sight) -> tuple[RenderableType, int]:
    titles = ("services", "read/s", "told/s", "lag", "oldest", "outbox", "held", "dead", "state")
    out = _table(*titles, wide=8)
    troubles: list[str] = []
    rows = list(services(sight))
    for row in rows:
        backlog = ("",) * 5 if row.name == WATCH else _backlog(row)
        state = Text(row.state, style=_STATES[row.state])
        out.add_row(row.name, rate(row.read), rate(row.told), *backlog, state)
        troubles += [f"{row.name}: {row.detail}"] if row.detail else []
        troubles += [f"{row.name}: Kafka refuses {row.refused} messages"] if row.refused else []
    for name, trouble in (("lag", sight.lag.trouble), ("outboxes", sight.backlog.trouble)):
        troubles += [f"{name}: {trouble}"] if trouble not in ("", ASKING) else []
    return Group(out, *map(_trouble, troubles)), 1 + len(rows) + len(troubles)


def _backlog(row: ServiceRow) -> tuple[str | Text, ...]:
    dead = Text(count(row.dead), style="bold red" if row.dead else "")
    return count(row.lag), span(row.oldest_s), count(row.outbox), count(row.held), dead


def _alerts(sight: Sight, most: int | None) -> tuple[RenderableType, int]:
    found = sight.alerts.value
    if found is None:
        return _titled("alerts", _trouble(sight.alerts.trouble)), 2
    if not found:
        return _titled("alerts", Text("none stands", style="green")), 2
    out = _table("alerts", "since", "about", "what", wide=3)
    room = _ALERTS_MOST if most is None else most
    groups = _together(found) if len(found) > room else [[known] for known in found]
    fits = groups if len(groups) <= room else groups[: room - 1]
    for group in fits:
        first = group[0]
        age = span((sight.at - first.raised_at) / timedelta(seconds=1))
        named = first.alert.subscription_id
        about = short(named) if named else first.alert.about
        about = about if len(group) == 1 else f"{len(group):,}×"
        out.add_row(
            Text(first.alert.code, style="red"), age, safe(about), safe(first.alert.sentence)
        )
    rest = sum(len(group) for group in groups[len(fits) :])
    if rest:
        out.add_row(Text("…"), "", "", Text(f"and {rest:,} more: tenure alerts", style="dim"))
    return out, 1 + out.row_count


def _together(found: Sequence[Known]) -> list[list[Known]]:
    """Those of one code together, the oldest speaking for them; what is about a service first."""
    codes: dict[str, list[Known]] = {}
    for known in found:
        codes.setdefault(known.alert.code, []).append(known)
    return sorted(codes.values(), key=lambda group: group[0].alert.subscription_id is not None)


def _latency(sight: Sight) -> tuple[RenderableType, int]:
    found = latencies(sight)
    if not found:
        return _titled("latency", _needs_watch()), 2
    out = _table("latency", "p50", "p95", "p99", "payments", "of", wide=5)
    for each in found:
        shares = (each.p50, each.p95, each.p99)
        out.add_row(each.stage, *map(span, shares), count(each.count), _over(each))
    return out, 1 + len(found)


def _over(latency: Latency) -> str:
    if not latency.count:
        return "no payment yet"
    if latency.span_s is None:
        return "all since the watch started"
    return f"the last {span(latency.span_s)}"


def _populations(sight: Sight) -> tuple[RenderableType, int]:
    sizes = populations(sight)
    text = Text("subscriptions", style="bold cyan", no_wrap=True, overflow="ellipsis")
    if not sizes:
        return text.append("  ").append_text(_needs_watch()), 1
    for status, size in sizes.items():
        name = status.replace("_", " ")
        text.append(f"  {size:,}", style="bold" if size else "dim")
        text.append(f" {name}", style="none" if size else "dim")
    return text, 1


def _topics(sight: Sight, most: int | None) -> tuple[RenderableType, int]:
    away = sight.looks(WATCH) is None
    out = _table("topics", "now/s", "minute/s", _types_title(away), wide=3)
    rows: Sequence[TopicRow] = topics(sight)
    busy = sorted(rows, key=lambda row: -max(row.now or 0, row.minute or 0))
    shown = busy if most is None or len(rows) <= most else busy[:most]
    for row in (row for row in rows if row in shown):
        types = ", ".join(f"{name} {rate(each)}" for name, each in row.types.items())
        out.add_row(row.name, rate(row.now), rate(row.minute), safe(types))
    if not rows:
        known = not away or any(sight.metrics[name].value for name in sight.metrics)
        words = "nothing was written yet" if known else "not known: nobody answers"
        out.add_row(Text(words, style="dim" if known else "red"), "", "", "")
    return out, 1 + out.row_count


def _types_title(away: bool) -> str:
    if away:
        return "types that services read (the watch is away)"
    return "types in the last full minute"


def _titled(title: str, words: Text) -> RenderableType:
    return Group(Text(title, style="bold cyan"), words)


def _needs_watch() -> Text:
    return Text("not known: the watch is away or has not begun", style="red")


def _trouble(words: str) -> Text:
    text = safe(" ".join(words.split()))
    text.stylize("dim" if words == ASKING else "red")
    text.no_wrap, text.overflow = True, "ellipsis"
    return text
