"""`tenure alerts`: what the watch found and what of it stands."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from cyclopts import Parameter
from rich.table import Table

from contracts.catalogue import InvalidMessage, decode
from contracts.operations import AlertRaised, AlertResolved
from contracts.topics import OPS_ALERTS
from ops.broker import Broker
from ops.connection import Stack, find_stack
from ops.records import read_whole
from ops.terminal import console, emit, moment, run, safe, say


@dataclass(frozen=True)
class Known:
    """One alert; `resolved_at` is None while it stands. Instants are the broker's."""

    alert: AlertRaised | AlertResolved
    raised_at: datetime
    resolved_at: datetime | None

    def to_json(self) -> dict[str, Any]:
        """The alert as plain data."""
        return {
            **self.alert.model_dump(mode="json"),
            "raised_at": self.raised_at,
            "resolved_at": self.resolved_at,
        }


def alerts(
    *,
    all: Annotated[bool, Parameter(help="Also those that are resolved.")] = False,
    json: Annotated[bool, Parameter(help="One JSON object per line.")] = False,
) -> None:
    """List the alerts that stand, oldest first; each names its evidence and what to run next."""
    found = [known for known in run(read_alerts(find_stack())) if all or not known.resolved_at]
    if json:
        for known in found:
            emit(known.to_json())
        return
    if not found:
        say("No alert stands.")
        return
    console().print(_table(found, all=all))


async def read_alerts(stack: Stack) -> list[Known]:
    """Every alert that `ops.alerts` holds, once, oldest first. Raises Unavailable."""
    async with Broker(stack) as broker:
        partitions = await broker.partitions([stack.topic(OPS_ALERTS.name)])
        records = await read_whole(broker, partitions)
    known: dict[UUID, Known] = {}
    for record in sorted(records, key=lambda each: each.timestamp):
        try:
            message = decode(record.value or b"")
        except InvalidMessage:
            continue  # the watch counts it
        data = message.data
        if isinstance(data, AlertRaised):
            known.setdefault(data.alert_id, Known(data, message.time, None))
        elif isinstance(data, AlertResolved):
            before = known.get(data.alert_id)
            raised_at = before.raised_at if before else message.time
            known[data.alert_id] = Known(data, raised_at, message.time)
    return sorted(known.values(), key=lambda each: each.raised_at)


def _table(found: list[Known], *, all: bool) -> Table:
    out = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("raised", *(("resolved",) if all else ()), "code", "what", "look with"):
        out.add_column(title, overflow="fold")
    for known in found:
        alert = known.alert
        resolved = (moment(known.resolved_at, seconds=True),) if all else ()
        out.add_row(
            moment(known.raised_at, seconds=True),
            *resolved,
            alert.code,
            safe(alert.sentence),
            safe(alert.suggested_command),
        )
    return out
