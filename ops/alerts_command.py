"""`tenure alerts`: what the watch found and what of it stands."""

from typing import Annotated

from cyclopts import Parameter
from rich.table import Table

from contracts.topics import OPS_ALERTS
from ops.alert_board import AlertBoard, Known
from ops.broker import Broker
from ops.connection import Stack, find_stack
from ops.records import read_whole
from ops.terminal import console, emit, moment, run, safe, say


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
    board = AlertBoard()
    for record in sorted(records, key=lambda each: each.timestamp):
        board.hear(record.value)
    return board.known


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
