"""The subcommands of `tenure dlq` that decide: edit, redrive, discard."""

import sys
from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter
from cyclopts.types import PositiveInt
from rich.console import Console

from ops.connection import Stack, find_stack
from ops.dead_letters import DeadLetter
from ops.dlq.content import compact
from ops.dlq.editing import difference, edited
from ops.dlq.outcome import carry_out
from ops.dlq.redriving import RATE, Action, Decision
from ops.dlq.rehearsing import Rehearsed, counted, rehearse, table
from ops.dlq.selecting import EVERYTHING, Selection, chosen
from ops.dlq.validating import Fault, clock, faults
from ops.errors import OpsError, WrongUsage
from ops.publish import read_file
from ops.terminal import confirmed, console, emit, run, say

Ids = Annotated[tuple[str, ...], Parameter(help="Ids as `dlq list` shows them.")]
Which = Annotated[Selection, Parameter(name="*")]
Who = Annotated[str | None, Parameter(help="Who decides; kept on the audit topic.")]
Why = Annotated[str | None, Parameter(help="Why; kept on the audit topic.")]
Rate = Annotated[PositiveInt, Parameter(help="At most so many a second.")]
DryRun = Annotated[bool, Parameter(help="Only say what would be done.", negative="")]
Yes = Annotated[bool, Parameter(help="Do not ask.", negative="")]
AsJson = Annotated[bool, Parameter(name="--json", help="With --dry-run: JSON.")]


def redrive(
    ids: Ids = (),
    /,
    *,
    which: Which = EVERYTHING,
    who: Who = None,
    why: Why = None,
    file: Annotated[str | None, Parameter(help="A corrected message to send instead.")] = None,
    rate: Rate = RATE,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: AsJson = False,
) -> None:
    """Send dead letters back to their service alone, in their order, as they were or corrected.

    Those that no reader would take stay where they are. Can be interrupted and run again.
    """
    stack = find_stack()
    letters = _meant(stack, ids, which)
    if not letters:
        return
    if file is not None:
        if len(letters) != 1:
            raise WrongUsage("--file corrects exactly one dead letter.")
        _send_corrected(stack, letters[0], read_file(file).strip(), _decider(who), why)
        return
    plan = rehearse(letters, run(clock(stack)))
    if dry_run:
        _show(plan, judged=True, as_json=json)
        return
    good = [one.letter for one in plan if one.fault is None]
    bad = [one for one in plan if one.fault is not None]
    if bad and len(plan) == 1:
        raise _refused(bad[0].fault)
    decision = Decision("redrive", _decider(who), why)
    if good and (len(good) == 1 or _agreed(plan, good, "redrive", yes=yes)):
        carry_out(stack, good, decision, rate)
    if bad:
        raise OpsError(f"{len(bad)} stay: no reader would take them. See --dry-run, then edit.")


def discard(
    ids: Ids = (),
    /,
    *,
    which: Which = EVERYTHING,
    who: Who = None,
    why: Why = None,
    rate: Rate = RATE,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: AsJson = False,
) -> None:
    """Settle dead letters without processing them; what waited behind them goes on."""
    stack = find_stack()
    letters = _meant(stack, ids, which)
    if not letters:
        return
    plan = rehearse(letters, run(clock(stack)))
    if dry_run:
        _show(plan, judged=False, as_json=json)
        return
    if why is None:
        raise WrongUsage("Say --why: what is given up must be accounted for.")
    decision = Decision("discard", _decider(who), why)
    if len(letters) == 1 or _agreed(plan, letters, "discard", yes=yes):
        carry_out(stack, letters, decision, rate)


def edit(
    id: Annotated[str, Parameter(help="An id as `dlq list` shows it.")],
    /,
    *,
    who: Who = None,
    why: Why = None,
    yes: Yes = False,
) -> None:
    """Correct a dead letter in $VISUAL or $EDITOR, check it, see the difference, send it back."""
    decider = _decider(who)
    stack = find_stack()
    letters = _meant(stack, (id,), EVERYTHING)
    if not letters:
        return
    letter, after = letters[0], letters[0].value
    while True:
        after = edited(after)
        if after == compact(letter.value):
            raise OpsError("Nothing was changed, nothing was sent.")
        found = faults(after, letter.origin.topic, run(clock(stack)))
        if not found:
            break
        for fault in found:
            say(": ".join(filter(None, (fault.code, fault.field, fault.sentence))))
        if not sys.stdin.isatty() or not confirmed("Open it again?", default=True):
            raise OpsError("The corrected message is still wrong; nothing was sent.")
    console().print(difference(letter.value, after))
    if yes or confirmed("Send it back?"):
        carry_out(stack, [letter], Decision("redrive", decider, why, after))


def _meant(stack: Stack, ids: Sequence[str], which: Selection) -> list[DeadLetter]:
    if not ids and which == EVERYTHING:
        raise WrongUsage("Say which: ids as `tenure dlq list` shows them, or --code, --service ...")
    letters = run(chosen(stack, ids, which))
    if not letters:
        say("No dead letter that was meant waits.")
    return letters


def _decider(who: str | None) -> str:
    if not who:
        raise WrongUsage("Say --who decides.")
    return who


def _refused(fault: Fault | None) -> OpsError:
    return OpsError(f"{fault.code}: {fault.sentence}" if fault else "")


def _send_corrected(
    stack: Stack, letter: DeadLetter, value: bytes, who: str, why: str | None
) -> None:
    found = faults(value, letter.origin.topic, run(clock(stack)))
    if found:
        raise _refused(found[0])
    carry_out(stack, [letter], Decision("redrive", who, why, value))


def _show(plan: Sequence[Rehearsed], *, judged: bool, as_json: bool) -> None:
    if as_json:
        for row in counted(plan):
            emit(row)
        return
    console().print(table(plan, judged=judged))
    console().print("Nothing was sent.")


def _agreed(
    plan: Sequence[Rehearsed], letters: Sequence[DeadLetter], action: Action, *, yes: bool
) -> bool:
    """Raises WrongUsage where nobody can answer, OpsError when the answer is no."""
    if yes:
        return True
    Console(stderr=True, highlight=False).print(table(plan, judged=action == "redrive"))
    if not confirmed(f"{action.capitalize()} {len(letters)} dead letters?"):
        raise OpsError("Nothing was sent.")
    return True
