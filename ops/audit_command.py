"""`tenure audit`: the invariants, checked over the databases and topics of the running system."""

from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Self

from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ops.connection import Stack, find_stack
from ops.errors import OpsError
from ops.subscriptions import find_in_stack
from ops.terminal import console, emit, run

if TYPE_CHECKING:
    from ops.audit.run import Report


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
    from ops.audit.run import audit as judge
    from policies import load_policies

    only = None if given is None else [(await find_in_stack(stack, given)).id]
    with _Bars() as bars:
        return await judge(
            stack, load_policies(), only=only, on_read=bars.read, on_judged=bars.judged
        )


class _Bars:
    """Progress on stderr while a person looks on: records read, subscriptions judged."""

    def __init__(self) -> None:
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

    def judged(self, _: object, done: int, total: int) -> None:
        self._bar.update(self._subscriptions, completed=done, total=total)
