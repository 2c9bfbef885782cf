"""Access at any instant: the answer, the days that are left, and the rules and facts behind it (S-22, S-27)."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from contracts import billing
from ledger.access import access_at, days_remaining
from ledger.history import History
from tests.domain.licensing.tellings import (
    DAY,
    START,
    YEAR,
    Telling,
    Words,
    canceled,
    charge_asked,
    dispute,
    given_back,
    named,
    pack,
    pause_ended,
    pause_scheduled,
    pause_started,
    seats,
    shifted,
    taken,
    uncanceled,
)

END = START + YEAR
WORDS = Words()
HOUR = timedelta(hours=1)


def paid(*more: Any, **policy: Any) -> Telling:
    """A year is paid, and whatever else is told at once, long after."""
    telling = Telling(pack(**policy))
    telling.now = END + 3 * YEAR
    return telling.tell(WORDS.created(), WORDS.period(), *more)


NEXT = WORDS.period(2, END, paid=END - 10 * DAY)
IN_GRACE = WORDS.period(2, END, paid=END + 3 * DAY)
ANEW = WORDS.period(2, END + 20 * DAY, basis="from_now", kind="manual")
NONE = timedelta(0)


@pytest.mark.parametrize(
    ("told", "policy", "at", "state", "rules", "causes"),
    [
        ((), {}, START, "active", {"T2"}, {"payment"}),
        ((NEXT,), {}, END, "active", {"T8", "S-33"}, {"payment"}),
        ((NEXT,), {}, END - DAY, "active", {"T2", "S-35"}, {"payment"}),
        ((IN_GRACE,), {}, END + 3 * DAY, "active", {"T12", "S-14b"}, {"payment"}),
        ((ANEW,), {}, END + 20 * DAY, "active", {"S-14b", "S-10"}, {"payment"}),
        ((canceled(START + DAY),), {}, END - DAY, "active", {"S-37"}, {"payment", "will"}),
        ((), {}, END, "grace", {"S-13", "T10", "S-12"}, {"payment"}),
        ((), {}, END + 7 * DAY, "suspended", {"T13", "S-07"}, {"payment"}),
        ((), {"grace": NONE}, END, "suspended", {"T11", "S-14"}, {"payment"}),
        ((), {}, END + 37 * DAY, "expired", {"T15", "Q8"}, {"payment"}),
        ((), {"grace": NONE, "hold": NONE}, END, "expired", {"S-14"}, {"payment"}),
        ((canceled(START + DAY),), {}, END, "expired", {"S-37", "T9"}, {"payment", "will"}),
        ((canceled(END + DAY),), {}, END + DAY, "expired", {"Q15"}, {"payment", "will"}),
        ((taken(1, START + DAY),), {}, START + DAY, "revoked", {"S-47"}, {"payment", "refund"}),
        ((taken(1, END + DAY),), {}, END + DAY, "revoked", {"S-14e", "Q9"}, {"payment", "refund"}),
        (
            (NEXT, taken(2, END - DAY, "refunded_renewal", voided=True)),
            {}, END, "revoked", {"S-48", "T19"}, {"payment", "refund"},
        ),
        (
            (taken(1, START + DAY), given_back(1, START + 9 * DAY)),
            {}, START + 9 * DAY, "active", {"T21"}, {"payment", "refund_failed", "will"},
        ),
        (
            (taken(1, START + DAY, "chargeback"),),
            {}, START + DAY, "revoked", {"Q16"}, {"payment", "chargeback"},
        ),
        (
            (dispute(billing.DisputeOpened, START + DAY),),
            {"hold_on_dispute": True}, START + DAY, "suspended", {"T22"}, {"payment", "dispute"},
        ),
        (
            (pause_started(START + DAY, START + 9 * DAY),),
            {}, START + DAY, "suspended", {"T23", "S-03"}, {"payment", "pause"},
        ),
        (
            (pause_started(START + DAY, START + 9 * DAY),),
            {"pause_grace": 2 * DAY}, START + DAY, "grace", {"Q17"}, {"payment", "pause"},
        ),
        (
            (pause_scheduled(START + DAY, END, END + 9 * DAY),),
            {}, END, "suspended", {"T24", "Q17"}, {"payment", "pause"},
        ),
        (
            (pause_started(END - DAY, END + 3 * DAY, "run_term"),),
            {}, END, "suspended", {"T26", "Q17"}, {"payment", "pause"},
        ),
        (
            (pause_started(END - DAY, END + 60 * DAY, "run_term"),),
            {}, END + 8 * DAY, "suspended", {"T13", "S-07"}, {"payment"},
        ),
        (
            (charge_asked(END - DAY),),
            {"grace": NONE}, END + HOUR, "active", {"Q7"}, {"payment", "charge"},
        ),
        ((seats(9, START + DAY),), {}, START + DAY, "active", {"T2"}, {"payment", "settings"}),
    ],
)  # fmt: skip
def test_every_answer_names_its_rules_and_facts(
    told: tuple[Any, ...],
    policy: dict[str, Any],
    at: datetime,
    state: str,
    rules: set[str],
    causes: set[str],
) -> None:
    access = paid(*told, **policy).access(at)
    assert access.state == state
    assert rules <= set(access.rules)
    assert {cause.kind for cause in access.causes} == causes
    assert access.as_of == at
    assert all(cause.at <= at for cause in access.causes)


def test_the_facts_are_those_of_the_messages() -> None:
    access = paid(taken(1, START + DAY)).access(START + DAY)
    assert [(cause.kind, cause.fact_id) for cause in access.causes] == [
        ("payment", named("paid 1")), ("refund", named(f"taken 1 {START + DAY}")),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("at", "days"),
    [
        (START, 365),
        (START + timedelta(microseconds=1), 365),
        (START + DAY, 364),
        (END - timedelta(microseconds=1), 1),
        (END, 0),
        (END + 9 * DAY, 0),
    ],
)
def test_days_remaining_are_rounded_up_and_none_from_the_end_on(at: datetime, days: int) -> None:
    """S-22."""
    assert paid().access(at).days_remaining == days


def test_days_reach_to_the_end_of_what_is_paid_ahead() -> None:
    """Q22; of what was paid by then."""
    telling = paid(NEXT)
    assert telling.access(END - 11 * DAY).days_remaining == 11
    assert telling.access(END - 10 * DAY).days_remaining == 375
    assert telling.access(END - 10 * DAY).paid_through == END + YEAR


def test_an_open_period_has_no_days_and_nothing_paid_has_none_left() -> None:
    unlimited = WORDS.period().model_copy(update={"end": None})
    telling = Telling().tell(WORDS.created(), unlimited)
    access = telling.access(START)
    assert (access.days_remaining, access.valid_until, access.paid_through) == (None, None, None)
    assert days_remaining(History(), START) == 0
    assert access_at(History(), telling.policy, START) is None


def test_an_answer_about_the_past_does_not_know_what_came_later() -> None:
    """What was foreseen then: access to the end of the paid year, and grace after it."""
    telling = paid(
        NEXT, pause_started(START + 9 * DAY, START + 19 * DAY), shifted(1, START, END + 10 * DAY)
    )
    access = telling.access(START + DAY)
    assert (access.state, access.since, access.valid_until, access.renewal_pending) == (
        "active", START, END + 10 * DAY, False,
    )  # fmt: skip
    assert access.rules == ("T2", "S-01")


def test_a_charge_is_pending_while_it_is_unanswered() -> None:
    telling = paid(charge_asked(END - 14 * DAY), NEXT)
    assert not telling.access(END - 15 * DAY).renewal_pending
    assert telling.access(END - 14 * DAY).renewal_pending


def test_what_failed_to_take_it_away_is_named_once() -> None:
    """T21."""
    access = paid(taken(1, START + DAY), given_back(1, START + 9 * DAY)).access(START + 10 * DAY)
    gone = named(f"taken 1 {START + DAY}")
    assert [(cause.kind, cause.fact_id) for cause in access.causes] == [
        ("payment", named("paid 1")), ("will", gone), ("refund_failed", gone),
    ]  # fmt: skip


def test_a_withdrawal_after_the_end_is_not_why_it_ended() -> None:
    """T9: it ended by the cancellation, whatever the customer wants since."""
    telling = paid(canceled(START + DAY), uncanceled(END + 3 * DAY))
    access = telling.access(END + 4 * DAY)
    assert access.state == "expired"
    assert [(cause.kind, cause.fact_id, cause.at) for cause in access.causes] == [
        ("payment", named("paid 1"), START),
        ("will", named(f"cancellation {START + DAY}"), START + DAY),
    ]


def test_an_answer_about_a_pause_does_not_know_that_it_ends_early() -> None:
    telling = paid(pause_started(START + DAY, START + 30 * DAY), pause_ended(START + 9 * DAY))
    assert telling.access(START + 8 * DAY).valid_until == START + 30 * DAY
    assert telling.access(START + 9 * DAY).state == "active"


def test_an_answer_about_the_past_does_not_know_of_a_later_refund() -> None:
    access = paid(taken(1, START + 9 * DAY)).access(START + DAY)
    assert (access.valid_until, access.paid_through) == (END, END)


def test_a_period_that_begins_now_is_not_paid_ahead() -> None:
    """S-35 names only what begins later."""
    assert paid(NEXT).access(END).rules == ("T8", "S-33")
