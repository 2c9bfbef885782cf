"""Carrying a decision out at the terminal: how far it is, what became of it, the exit status."""

import asyncio
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from ops.connection import Stack
from ops.dead_letters import DeadLetter, Origin, waiting
from ops.dlq.progress import WAIT_S, Progress
from ops.dlq.redriving import RATE, Action, Decision, settle
from ops.errors import OpsError, TryAgain
from ops.terminal import run, say

_NAMED_MAX = 20
_TRIES = 20
_PAUSE_S = 0.1


def carry_out(
    stack: Stack, letters: Sequence[DeadLetter], decision: Decision, rate: int = RATE
) -> None:
    """Send, show how far it is, and say what became of it.

    Raises OpsError when letters were refused again, TryAgain when some are still open.
    """
    latest: list[Progress] = []
    with _bars() as bars:
        sent = bars.add_task("sent", total=len(letters))
        settled = bars.add_task("settled", total=len(letters))

        def tell(progress: Progress) -> None:
            latest[:] = [progress]
            bars.update(sent, completed=len(progress.sent))
            bars.update(settled, completed=len(progress.settled))

        try:
            done = run(settle(stack, letters, decision, rate=rate, tell=tell))
        except KeyboardInterrupt:
            if latest:
                say(
                    f"Interrupted: {len(latest[0].sent)} of {len(letters)} were sent. Run the same "
                    "command again: what is settled is left out."
                )
            raise
    _report(stack, done, decision.action)


def _bars() -> Bars:
    out = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    return Bars(*columns, console=out, disable=not out.is_terminal, transient=True)


def _report(stack: Stack, done: Progress, action: Action) -> None:
    words = "sent back" if action == "redrive" else "discarded"
    if len(done.settled) <= _NAMED_MAX:
        for origin in sorted(done.settled):
            sys.stdout.write(f"{origin} {words}, settled\n")
    else:
        sys.stdout.write(f"{len(done.settled)} {words}, settled in {done.took_s:.1f} s\n")
    problems = []
    if done.refused:
        problems.append(f"Refused again: {_named(run(_reasons(stack, done)))}.")
    if done.open:
        problems.append(
            f"Not settled within {WAIT_S:g} s: {_some(done.open)}. Is the service up? See `tenure "
            "status`; running the command again is safe."
        )
    if problems:
        raise (TryAgain if done.open else OpsError)(" ".join(problems))


async def _reasons(stack: Stack, done: Progress) -> dict[Origin, DeadLetter | None]:
    """The letters that say why; their relay may need a moment."""
    for _ in range(_TRIES):
        letters = {letter.origin: letter for letter in (await waiting(stack)).values()}
        if all(
            origin not in letters or letters[origin].attempts > done.attempts[origin]
            for origin in done.refused
        ):
            break
        await asyncio.sleep(_PAUSE_S)
    return {origin: letters.get(origin) for origin in sorted(done.refused)}


def _named(reasons: dict[Origin, DeadLetter | None]) -> str:
    if len(reasons) > _NAMED_MAX:
        return f"{len(reasons)}; see `tenure dlq list`"
    return "; ".join(
        f"{origin} ({letter.code}: {letter.error.rstrip('.')})" if letter else str(origin)
        for origin, letter in reasons.items()
    )


def _some(origins: set[Origin]) -> str:
    named = ", ".join(map(str, sorted(origins)[:_NAMED_MAX]))
    more = len(origins) - _NAMED_MAX
    return f"{named} and {more} more" if more > 0 else named
