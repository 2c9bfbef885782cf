"""`tenure audit`: the invariants, checked over the databases and topics of the running system."""

import time
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Self

from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ops.connection import Stack, find_stack
from ops.errors import OpsError, Unavailable
from ops.subscriptions import find_in_stack
from ops.terminal import console, emit, run, say

if TYPE_CHECKING:
    from ops.audit.run import Report

#: Where nobody looks on, a line this often.
_LINE_S = 10.0


def audit(
    subscription: Annotated[
        str | None, Parameter(help="Only this one: its id, R-1001, or online-store/R-1001.")
    ] = None,
    /,
    *,
    json: Annotated[bool, Parameter(help="One JSON object.")] = False,
) -> None:
    """Check every invariant over all services and topics; exit status 1 when something is violated.

    Reads one snapshot of the databases and the topics up to it, so it can run beside any load.
    """
    from ops.audit_view import render

    report = run(_audit(find_stack(), subscription))
    if json:
        emit(report.to_json())
    else:
        console().print(render(report))
    if report.violations:
        raise OpsError(f"The audit found {report.violations} violations.")


async def _audit(stack: Stack, given: str | None) -> "Report":
    import asyncpg
    from aiokafka.errors import KafkaError

    try:
        return await _judged(stack, given)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, KafkaError, OSError) as error:
        raise Unavailable(f"The audit broke off ({error}): is the stack up?") from error


async def _judged(stack: Stack, given: str | None) -> "Report":
    from ops.audit.run import audit as judge
    from policies import load_policies

    only = None if given is None else [(await find_in_stack(stack, given)).id]
    with _Bars() as bars:
        return await judge(
            stack, load_policies(), only=only, on_read=bars.read, on_judged=bars.judged
        )


class _Bars:
    """Progress on stderr, records read and subscriptions judged: bars for a person, now and then a line in a log."""

    def __init__(self) -> None:
        self._line_at = time.monotonic() + _LINE_S
        shown = Console(stderr=True, highlight=False)
        self._bar = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=40),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=shown,
            transient=True,
            disable=not shown.is_terminal,
        )
        self._messages = self._bar.add_task("messages", total=None)
        self._subscriptions = self._bar.add_task("subscriptions", total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def read(self, done: int, total: int) -> None:
        self._bar.update(self._messages, completed=done, total=total)
        self._line("messages read", done, total)

    def judged(self, _: object, done: int, total: int) -> None:
        self._bar.update(self._subscriptions, completed=done, total=total)
        self._line("subscriptions judged", done, total)

    def _line(self, what: str, done: int, total: int) -> None:
        if self._bar.disable and time.monotonic() >= self._line_at:
            self._line_at = time.monotonic() + _LINE_S
            say(f"{done:,} of {total:,} {what}")
