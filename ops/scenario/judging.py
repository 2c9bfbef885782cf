"""Judging a step: what it expects against what is found, difference by difference."""

from collections.abc import Iterator, Sequence
from typing import Any

from contracts import billing
from ledger.stage import Stage
from ops.scenario.commands import EraseCustomer
from ops.scenario.expect import Expect
from ops.scenario.format import Step
from ops.scenario.instants import Moment
from ops.scenario.news import news
from ops.scenario.play import Play
from ops.scenario.sight import Sight
from ops.scenario.values import instant_text, on_text


def judge(play: Play, number: int, step: Step, sight: Sight) -> None:
    """Compare what a step expects with what is found; a command must not be refused unexpectedly."""
    play.history = sight.history
    expect = step.expect or Expect()
    # An erasure is answered to the customer's key by a tombstone, which says nothing here.
    answered = step.command and not isinstance(step.command, EraseCustomer)
    if answered or expect.answer:
        wanted, found = expect.answer or "ok", _answer(play, number)
        if wanted != found:
            play.fail(number, "answer", wanted, found)
    for name, wanted, found in _values(play, expect, sight):
        if wanted != found:
            play.fail(number, name, wanted, found)
    news(play, number, expect)
    ours, theirs = _told_stages(sight.billing_stages), _told_stages(sight.stages)
    if ours != theirs:
        play.fail(number, "the timeline of licensing (expected: billing's)", ours, theirs)


def close(play: Play, number: int) -> None:
    """At the end: no dead letter that was not expected."""
    left = play.dead[play.marks.get("dead_letters", 0) :]
    if left:
        found = "; ".join(f"{dead.code} ({dead.service}: {dead.sentence})" for dead in left)
        play.fail(number, "dead_letters", "none", found)


def _answer(play: Play, number: int) -> str:
    """The code that a command was answered with, `ok` when it was done."""
    told = [m.data for m in play.answers_to(number)]
    if not told:
        return "nothing"
    for data in told:
        if isinstance(data, billing.CommandRefused | billing.RefundDeclined):
            return data.code
    return "ok"


def _values(play: Play, expect: Expect, sight: Sight) -> Iterator[tuple[str, str, str]]:
    """Everything that is one value: its name, what is expected and what is found, as text."""
    stage = sight.stage()
    if expect.status is not None:
        yield "status", expect.status, stage.status if stage else "not-paid"
    if expect.reason is not None:
        yield "reason", expect.reason, str(stage.reason if stage else None)
    for moment, state in (expect.access or {}).items():
        access = sight.access(play.at(moment))
        yield f"access at {moment}", state, access.state if access else "none"
    for moment, works in (expect.capabilities or {}).items():
        access = sight.access(play.at(moment))
        on = {name for name, value in access.capabilities if value} if access else set()
        yield f"capabilities at {moment}", _listed(works), _listed(on)
    for moment, seats in (expect.seats or {}).items():
        access = sight.access(play.at(moment))
        yield f"seats at {moment}", str(seats), str(access.seats if access else "none")
    yield from _instants(play, expect, sight)
    if expect.days_remaining is not None:
        yield "days_remaining", str(expect.days_remaining), str(sight.days_remaining())
    if expect.auto_renew is not None:
        yield "auto_renew", on_text(expect.auto_renew), on_text(sight.history.auto_renew)


def _instants(play: Play, expect: Expect, sight: Sight) -> Iterator[tuple[str, str, str]]:
    if expect.valid_until is not None:
        access = sight.access(sight.now)
        until = access.valid_until if access else "none"
        ended = access is not None and access.state in ("expired", "limited", "revoked")
        found = "none" if ended else instant_text(until) if until else "open"
        yield "valid_until", _written(play, expect.valid_until), found
    if expect.paid_through is not None:
        through = sight.history.paid_through
        nothing = "open" if sight.unlimited else "nothing"
        yield (
            "paid_through",
            _written(play, expect.paid_through),
            instant_text(through) if through else nothing,
        )
    if expect.next_charge_at is not None:
        yield (
            "next_charge_at",
            _written(play, expect.next_charge_at),
            instant_text(sight.next_charge()),
        )


def _written(play: Play, value: Moment | str) -> str:
    return instant_text(play.at(value)) if isinstance(value, Moment) else value


def _listed(names: Any) -> str:
    return ", ".join(sorted(names)) or "none"


def _told_stages(stages: Sequence[Stage]) -> str:
    told = (
        f"{s.status} {s.reason or ''}".strip() + f" from {instant_text(s.start)}" for s in stages
    )
    return ", ".join(told) or "nothing"
