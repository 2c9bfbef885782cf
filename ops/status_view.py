"""How the status looks."""

from collections import defaultdict

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ops.status import Status
from ops.terminal import moment, safe


def render(status: Status) -> RenderableType:
    """The status as tables; what needs a person comes last, in red."""
    clock = "virtual" if status.virtual else "real"
    parts: list[RenderableType] = [
        Text(f"{moment(status.now, seconds=True)} UTC ({clock} clock)", style="dim"),
        _services(status),
        _work(status),
        _mail(status),
    ]
    parts += [Text(sentence, style="red") for sentence in status.stuck]
    return Group(*parts)


def _table(*titles: str) -> Table:
    out = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 3, 0, 0))
    for position, title in enumerate(titles):
        out.add_column(title, justify="left" if position == 0 else "right")
    return out


def _services(status: Status) -> Table:
    out = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 3, 0, 0))
    for title in ("service", "state", "detail"):
        out.add_column(title)
    for service in status.services:
        state = Text("ready", style="green") if service.ready else Text("not ready", style="red")
        out.add_row(service.name, state, safe("" if service.ready else service.detail))
    return out


def _work(status: Status) -> Table:
    out = _table("schema", "lag", "outbox", "held", "dead letters", "refused by Kafka", "next due")
    kinds: dict[str, dict[str, int]] = defaultdict(dict)
    due: dict[str, list[str]] = defaultdict(list)
    for item in status.work.items:
        kinds[item.schema][item.kind] = item.pending + item.stuck
        if item.next_due_at:
            due[item.schema].append(moment(item.next_due_at))
    for schema, found in kinds.items():
        lags = [sum(t.values()) for group, t in status.lag.items() if group.endswith(schema)]
        dead = status.dead_letters.get(schema)
        out.add_row(
            schema,
            str(sum(lags)) if lags else "",
            *(_number(found.get(kind)) for kind in ("outbox", "held")),
            _number(dead),
            _number(found.get("outbox_dead")),
            min(due[schema], default=""),
        )
    return out


def _number(count: int | None) -> str:
    return "" if count is None else str(count)


def _mail(status: Status) -> Text:
    counts = "  ".join(f"{count} {name}" for name, count in status.mail.items())
    return Text(f"mail  {counts or 'none yet'}")
