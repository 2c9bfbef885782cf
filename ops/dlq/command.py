"""`tenure dlq`: dead letters that still wait, and what to do with them."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from ops.connection import Stack, find_stack
from ops.dead_letters import DeadLetter, attempts_told
from ops.dlq import acting
from ops.dlq.auditing import history as decisions_of
from ops.dlq.content import pretty
from ops.dlq.explaining import CODES, explained
from ops.dlq.selecting import EVERYTHING, TOPIC_NAMES, chosen
from ops.dlq.validating import Fault, clock, faults
from ops.dlq.view import decisions, table
from ops.errors import CheckFailed, NotFound, Unavailable
from ops.publish import read_file
from ops.terminal import console, emit, run, safe, suggestion

app = App(
    name="dlq",
    help="Dead letters: list, show, explain, edit, validate, redrive, discard, history.",
)
app.command(acting.edit)
app.command(acting.redrive)
app.command(acting.discard)
AsJson = Annotated[bool, Parameter(name="--json", help="One JSON object per line.")]
_SORTS: dict[str, Callable[[DeadLetter], Any]] = {
    "time": lambda letter: letter.at,
    "code": lambda letter: (letter.code, letter.at),
    "origin": lambda letter: letter.origin,
}


@app.command(name="list")
def list_(
    *,
    which: acting.Which = EVERYTHING,
    sort: Annotated[
        Literal["time", "code", "origin"], Parameter(help="Order of the list.")
    ] = "time",
    json: AsJson = False,
) -> None:
    """List the dead letters that still wait, how often each was refused and what waits behind it."""
    letters = sorted(run(chosen(find_stack(), (), which)), key=_SORTS[sort])
    if json:
        for letter in letters:
            emit(letter.to_json())
    elif letters:
        console().print(table(letters))
    else:
        console().print("No dead letter waits.")


@app.command
def show(
    id: Annotated[str, Parameter(help="An id as `dlq list` shows it.")],
    /,
    *,
    json: Annotated[bool, Parameter(help="One JSON object.")] = False,
) -> None:
    """Show attempts, headers and raw bytes of one dead letter; those may hold personal data."""
    letter, attempts = run(_with_attempts(find_stack(), id))
    if json:
        raw = letter.value.decode(errors="backslashreplace")
        told = [
            {"attempt": one.attempts, "at": one.at, "code": one.code, "error": one.error}
            for one in attempts
        ]
        emit({**letter.to_json(), "headers": letter.headers, "told": told, "raw": raw})
        return
    out = console()
    if len(attempts) > 1:
        out.print(table(attempts))
        out.print()
    for name, value in letter.headers.items():
        out.print(safe(f"{name}: {value}"))
    out.print()
    out.print(safe(pretty(letter.value)), soft_wrap=True)


async def _with_attempts(stack: Stack, id: str) -> tuple[DeadLetter, tuple[DeadLetter, ...]]:
    (letter,) = await chosen_one(stack, id)
    told = await attempts_told(stack, [letter.origin.service])
    return letter, told.get(letter.origin, (letter,))


async def chosen_one(stack: Stack, id: str) -> list[DeadLetter]:
    """The waiting dead letter of an id. Raises NotFound, also when it waits no more."""
    found = await chosen(stack, (id,), EVERYTHING)
    if not found:
        raise NotFound(f"Dead letter '{id}' is settled.")
    return found


@app.command
def explain(
    name: Annotated[str | None, Parameter(help="An id, or a code; without one, all codes.")] = None,
    /,
) -> None:
    """Say in words what a code means, why this message got it, what helps and what to run."""
    if name is None:
        for code in CODES:
            _explain_code(code)
    elif name in CODES:
        _explain_code(name)
    else:
        try:
            (letter,) = run(chosen_one(find_stack(), name))
        except NotFound as error:
            raise NotFound(f"{error}{suggestion(name, CODES)}") from None
        out = console()
        for number, paragraph in enumerate(explained(letter)):
            if number:
                out.print()
            out.print(safe(paragraph), soft_wrap=True)


def _explain_code(code: str) -> None:
    words = CODES[code]
    console().print(safe(f"{code}: {words.means} {words.helps}"), soft_wrap=True)


@app.command
def validate(
    what: Annotated[
        str, Parameter(help="A file, - for stdin, or an id.", allow_leading_hyphen=True)
    ],
    /,
    *,
    topic: Annotated[str | None, Parameter(help="As if it stood there.")] = None,
    json: AsJson = False,
) -> None:
    """Check a message against our reader and the published schema; exit 4 when it is wrong."""
    if topic is not None and topic not in TOPIC_NAMES:
        raise NotFound(f"There is no topic '{topic}'.{suggestion(topic, TOPIC_NAMES)}")
    content = read_file(what).strip() if what == "-" or Path(what).is_file() else None
    found = run(_faults(find_stack(), what, content, topic))
    for fault in found:
        if json:
            emit(vars(fault))
        else:
            console().print(safe(": ".join(filter(None, vars(fault).values()))), soft_wrap=True)
    if found:
        raise CheckFailed(f"{len(found)} fault{'s' if len(found) > 1 else ''} in {what}.")
    if not json:
        console().print("A reader takes it, and it satisfies its schema.")


async def _faults(stack: Stack, what: str, content: bytes | None, topic: str | None) -> list[Fault]:
    if content is None:
        (letter,) = await chosen_one(stack, what)
        return faults(letter.value, topic or letter.origin.topic, await clock(stack))
    try:
        now = await clock(stack)
    except Unavailable:  # a file can be checked where no stack runs
        now = datetime.now(UTC)
    return faults(content, topic, now)


@app.command
def history(*, json: AsJson = False) -> None:
    """List what operators decided about dead letters: when, who, what and why."""
    told = run(decisions_of(find_stack()))
    if json:
        for message in told:
            emit({"id": message.subject, "at": message.time, **message.data.model_dump()})
    elif told:
        console().print(decisions(told))
    else:
        console().print("Nothing was decided yet.")
