"""`tenure dlq`: dead letters that still wait, and what to do with them."""

import json as jsonlib
import sys
from collections.abc import Callable
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter
from rich.table import Table

from contracts.topics import SERVICES
from ops.connection import find_stack
from ops.dead_letters import DeadLetter, pick, waiting
from ops.errors import NotFound, WrongUsage
from ops.phrases import short
from ops.publish import read_file
from ops.redrive import Action, settle
from ops.terminal import console, emit, escaped, moment, run, safe, suggestion

app = App(name="dlq", help="Dead letters: list, show, send back, discard.")
Ids = Annotated[tuple[str, ...], Parameter(help="Ids as `dlq list` shows them.")]
Who = Annotated[str, Parameter(help="Who decided; kept with the decision.")]
Why = Annotated[str | None, Parameter(help="Why; kept with the decision.")]
_SORTS: dict[str, Callable[[DeadLetter], Any]] = {
    "time": lambda letter: letter.at,
    "code": lambda letter: (letter.code, letter.at),
    "origin": lambda letter: letter.origin,
}


@app.command(name="list")
def list_(
    *,
    service: Annotated[str | None, Parameter(help=", ".join(SERVICES))] = None,
    code: Annotated[str | None, Parameter(help="Only this code.")] = None,
    sort: Annotated[
        Literal["time", "code", "origin"], Parameter(help="Order of the list.")
    ] = "time",
    json: Annotated[bool, Parameter(help="One JSON object per line.")] = False,
) -> None:
    """List the dead letters that still wait."""
    if service is not None and service not in SERVICES:
        raise NotFound(f"There is no service '{service}'.{suggestion(service, SERVICES)}")
    letters = [
        letter
        for letter in run(waiting(find_stack())).values()
        if service in (None, letter.origin.service) and code in (None, letter.code)
    ]
    letters.sort(key=_SORTS[sort])
    if json:
        for letter in letters:
            emit(letter.to_json())
    elif letters:
        console().print(table(letters))
    else:
        console().print("No dead letter waits.")


def table(letters: list[DeadLetter]) -> Table:
    """The dead letters as a table; ids whole, to be copied."""
    out = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for title in ("id", "time (UTC)", "subject", "code", "error"):
        out.add_column(title, no_wrap=title == "id", overflow="fold")
    for letter in letters:
        at = moment(letter.at, seconds=True)
        subject = short(letter.subject) if len(letter.subject) == 36 else letter.subject
        out.add_row(str(letter.origin), at, safe(subject), letter.code, safe(letter.error))
    return out


@app.command
def show(
    id: Annotated[str, Parameter(help="An id as `dlq list` shows it.")],
    /,
    *,
    json: Annotated[bool, Parameter(help="One JSON object.")] = False,
) -> None:
    """Show headers and raw bytes of one dead letter; those may hold personal data."""
    letter = pick(run(waiting(find_stack())), id)
    raw = letter.value.decode(errors="backslashreplace")
    if json:
        emit({**letter.to_json(), "headers": letter.headers, "raw": raw})
        return
    out = console()
    for name, value in letter.headers.items():
        out.print(safe(f"{name}: {value}"))
    out.print()
    out.print(safe(pretty(letter.value)), soft_wrap=True)


def pretty(raw: bytes) -> str:
    """JSON indented, anything else as it is; nothing that a terminal could misread."""
    try:
        return escaped(jsonlib.dumps(jsonlib.loads(raw), indent=2, ensure_ascii=False).encode())
    except ValueError:
        return escaped(raw)


@app.command
def redrive(
    ids: Ids,
    /,
    *,
    who: Who,
    why: Why = None,
    file: Annotated[str | None, Parameter(help="A corrected message to send instead.")] = None,
) -> None:
    """Send dead letters back to their service, as they were or corrected."""
    if file is not None and len(ids) != 1:
        raise WrongUsage("--file corrects exactly one dead letter.")
    _decide(ids, "redrive", who, why, read_file(file).strip() if file else None)


@app.command
def discard(ids: Ids, /, *, who: Who, why: Annotated[str, Parameter(help="Why; kept.")]) -> None:
    """Settle dead letters without processing them; what waited behind them goes on."""
    _decide(ids, "discard", who, why)


def _decide(
    ids: tuple[str, ...],
    action: Action,
    who: str,
    why: str | None,
    replacement: bytes | None = None,
) -> None:
    stack = find_stack()
    letters = run(waiting(stack))
    chosen = [pick(letters, id) for id in ids]
    if not chosen:
        raise WrongUsage("Say which: `tenure dlq list` shows the ids.")
    run(settle(stack, chosen, action, who=who, why=why, replacement=replacement))
    done = "sent back" if action == "redrive" else "discarded"
    for letter in chosen:
        sys.stdout.write(f"{letter.origin} {done}, settled\n")
