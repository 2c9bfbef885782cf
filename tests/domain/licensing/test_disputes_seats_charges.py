"""What is learned beside periods and pauses: disputes (T22, Q16), seats (Q25), unanswered charges (Q7)."""

from datetime import timedelta
from typing import Any

import pytest

from contracts import billing, licensing
from tests.domain.licensing.tellings import (
    DAY,
    START,
    YEAR,
    Telling,
    Words,
    charge_asked,
    charge_failed,
    charge_paid,
    charge_withdrawn,
    dispute,
    named,
    pack,
    seats,
    shifted,
    taken,
)
from tests.support.story import utc

END = START + YEAR
OPENED, DECIDED = utc("2025-03-01"), utc("2025-04-01")
HOLDING = "app-store-like"
HOUR = timedelta(hours=1)


def held(provider: str = HOLDING) -> Telling:
    """A year is paid and disputed."""
    words = Words(provider)
    telling = Telling(provider=provider).tell(words.created(), words.period()).advance(OPENED)
    return telling.tell(dispute(billing.DisputeOpened, OPENED))


def test_a_dispute_takes_access_away_until_it_is_won() -> None:
    """T22 where the pack says hold_on_dispute."""
    telling = held()
    started = telling.last(licensing.HoldStarted)
    assert (started.ends_at, started.fact_id) == (None, named(f"D-1 {billing.DisputeOpened.TYPE}"))
    assert telling.entitlement.state == "suspended"
    assert telling.entitlement.valid_until is None
    assert telling.license.due_at == END
    telling.advance(DECIDED).tell(dispute(billing.DisputeWon, DECIDED))
    assert telling.events()[1:] == [("hold-started", "2025-03-01"), ("reinstated", "2025-04-01")]
    assert telling.entitlements()[1:] == [
        ("suspended", "suspended", "2025-03-01"), ("restored", "active", "2025-04-01"),
    ]  # fmt: skip
    assert telling.entitlement.valid_until == END


def test_elsewhere_a_dispute_changes_no_access() -> None:
    telling = held("online-store")
    assert telling.entitlement.state == "active"
    assert telling.events() == [("period-started", "2025-01-01")]


def test_a_lost_dispute_ends_access() -> None:
    """Q16: as a refund, with its own reason."""
    telling = held().advance(DECIDED)
    telling.tell(dispute(billing.DisputeLost, DECIDED), taken(1, DECIDED, "chargeback"))
    assert telling.last(licensing.Expired).reason == "chargeback"
    assert telling.entitlement.state == "revoked"


def test_a_dispute_that_was_won_before_it_was_heard_of_is_told_whole() -> None:
    words = Words(HOLDING)
    telling = Telling(provider=HOLDING).tell(words.created(), words.period()).advance(DECIDED)
    telling.tell(dispute(billing.DisputeWon, DECIDED))
    assert telling.events() == [("period-started", "2025-01-01")]
    telling.tell(dispute(billing.DisputeOpened, OPENED))
    assert telling.events()[1:] == [("hold-started", "2025-03-01"), ("reinstated", "2025-04-01")]
    assert telling.entitlement.state == "active"


def test_a_dispute_decided_earlier_than_heard_corrects_the_days_between() -> None:
    telling = held().advance(DECIDED)
    telling.tell(dispute(billing.DisputeWon, OPENED))
    reinstated = telling.last(licensing.Reinstated)
    assert reinstated.corrects == telling.ids(licensing.HoldStarted)
    assert telling.state(OPENED + DAY) == "active"


def test_two_disputes_hold_until_the_last_is_decided() -> None:
    telling = held().advance(OPENED + DAY)
    telling.tell(dispute(billing.DisputeOpened, OPENED + DAY, id="D-2"))
    telling.advance(DECIDED).tell(dispute(billing.DisputeWon, DECIDED))
    assert telling.entitlement.state == "suspended"
    telling.tell(dispute(billing.DisputeWon, DECIDED, id="D-2"))
    assert [name for name, _ in telling.events()] == [
        "period-started",
        "hold-started",
        "reinstated",
    ]


def test_held_beyond_the_end_of_its_period_it_is_said_once() -> None:
    """T22: grace is not usable while the dispute is open, and begins when it is won."""
    telling = held().advance(END + DAY)
    assert telling.entitlement.state == "suspended"
    assert telling.events()[1:] == [("hold-started", "2025-03-01"), ("period-ended", "2026-01-01")]
    telling.tell(dispute(billing.DisputeWon, END + DAY))
    assert telling.entitlement.state == "grace"
    assert telling.events()[3:] == [("grace-started", "2026-01-02")]


def test_what_was_paid_ahead_renews_a_period_on_hold() -> None:
    """The other payment is not disputed; nobody recovers by it, it was there before."""
    words = Words(HOLDING)
    telling = held().tell(words.period(2, END, paid=OPENED)).advance(END)
    assert telling.entitlement.state == "active"
    assert [name for name, _ in telling.events()][2:] == [
        "period-ended", "period-started", "subscription-renewed",
    ]  # fmt: skip


def paid(**policy: Any) -> Telling:
    """A year is paid; the pack may differ."""
    words = Words()
    return Telling(pack(**policy)).tell(words.created(), words.period())


def test_more_seats_count_at_once_and_everyone_is_told() -> None:
    """Q26."""
    telling = paid().advance(START + DAY).tell(seats(5, START + DAY))
    assert telling.entitlement.seats == 5
    assert telling.access(START).seats == 3


def test_fewer_seats_count_from_the_end_of_the_period() -> None:
    """Q25: told before, published when it is so."""
    telling = (
        paid()
        .advance(START + DAY)
        .tell(Words().period(2, END, paid=START + DAY), seats(2, END), time=START + 2 * DAY)
    )
    assert telling.entitlement.seats == 3
    telling.advance(END - DAY)
    assert telling.entitlement.seats == 3
    telling.advance(END)
    assert telling.entitlement.seats == 2


def test_seats_are_published_when_they_change_though_nothing_else_does() -> None:
    """Also by a timer that fires late."""
    telling = paid().advance(START + DAY).tell(seats(2, START + 9 * DAY))
    assert telling.license.due_at == START + 9 * DAY
    telling.now = START + 20 * DAY
    telling.advance(telling.now)
    assert (telling.entitlement.seats, telling.entitlement.as_of) == (2, START + 20 * DAY)
    assert telling.license.due_at == END


def test_a_corrected_date_of_fewer_seats_counts() -> None:
    """The period moved, and the change with it."""
    telling = paid().advance(START + DAY).tell(seats(2, END))
    telling.tell(seats(2, END + 60 * DAY, corrects=(named("event"),)), time=START + DAY)
    assert telling.access(END).seats == 3
    assert telling.access(END + 60 * DAY).seats == 2


def test_other_settings_do_not_concern_access() -> None:
    telling = paid()
    before = len(telling.said)
    telling.tell(
        billing.SettingsChanged(fact_id=named("term"), effective_at=START, term="P2Y")
    )  # fmt: skip
    assert len(telling.said) == before


NO_GRACE: dict[str, Any] = {"grace": timedelta(0), "hold": 10 * DAY}


@pytest.mark.parametrize(
    ("answer", "over"),
    [
        (None, END + 24 * HOUR),
        (charge_failed(END + 5 * HOUR), END + 5 * HOUR),
        (charge_withdrawn(END + 2 * HOUR), END + 2 * HOUR),
        (charge_failed(END + 2 * HOUR, final=False), END + 24 * HOUR),
    ],
    ids=["no answer", "failed", "withdrawn", "tried again"],
)
def test_without_grace_access_is_kept_for_the_answer_and_ends_as_of_the_end(
    answer: Any, over: Any
) -> None:
    """Q7."""
    telling = paid(**NO_GRACE).advance(END - 14 * DAY).tell(charge_asked(END - 14 * DAY))
    assert telling.entitlement.renewal_pending
    telling.advance(END + HOUR)
    assert telling.state(END + HOUR) == "active"
    assert telling.access(END + HOUR).valid_until == END + 24 * HOUR
    assert telling.events() == [("period-started", "2025-01-01")]
    if answer:
        telling.advance(answer.effective_at).tell(answer)
    telling.advance(END + 2 * DAY)
    hold = telling.last(licensing.HoldStarted)
    ended = telling.last(licensing.PeriodEnded)
    suspended = telling.last(licensing.EntitlementSuspended)
    assert {hold.effective_at, ended.effective_at, suspended.effective_at} == {END}
    assert {hold.derived_at, ended.derived_at, suspended.derived_at} == {over}
    assert telling.state(over) == "suspended"


def test_paid_in_the_gap_it_goes_on_without_a_break() -> None:
    """Q7: nobody is locked out, nothing is corrected."""
    telling = paid(**NO_GRACE).advance(END - 14 * DAY).tell(charge_asked(END - 14 * DAY))
    answered = END + 5 * HOUR
    telling.advance(answered).tell(
        Words().period(2, END, END + YEAR, paid=answered), charge_paid(answered)
    )
    assert telling.events()[1:] == [
        ("period-ended", "2026-01-01"),
        ("period-started", "2026-01-01"),
        ("subscription-renewed", "2026-01-01"),
    ]
    assert telling.last(licensing.PeriodEnded).effective_at == END
    assert not telling.entitlement.renewal_pending
    assert telling.state(END + HOUR) == "active"
    assert not [o for o in telling.said if getattr(o.data, "corrects", None)]


def test_without_hold_it_expires_as_of_the_end() -> None:
    telling = paid(grace=timedelta(0), hold=timedelta(0)).advance(END - DAY)
    telling.tell(charge_asked(END - DAY)).advance(END + 2 * DAY)
    expired = telling.last(licensing.Expired)
    assert (expired.reason, expired.effective_at) == ("payment_failed", END)
    assert expired.derived_at == END + DAY


def test_an_answer_told_late_that_came_earlier_moves_no_anchor() -> None:
    telling = paid(**NO_GRACE).advance(END - DAY).tell(charge_asked(END - DAY))
    telling.advance(END + 2 * DAY)
    before = len(telling.said)
    telling.tell(charge_failed(END + HOUR))
    assert telling.events(before) == []
    assert telling.state(END + 2 * HOUR) == "suspended"


@pytest.mark.parametrize(("days", "word"), [(59, "resubscribed"), (60, "resubscribed"), (61, None)])
def test_a_new_order_resubscribes_within_sixty_days_of_the_end_of_access(
    days: int, word: str | None
) -> None:
    """T27, Q5."""
    telling = paid(hold=timedelta(0)).advance(END + (7 + days) * DAY)
    ended = telling.last(licensing.Expired).effective_at
    start = ended + days * DAY
    before = len(telling.said)
    telling.tell(Words().period(2, start, kind="initial", basis="from_now"))
    names = [name for name, _ in telling.events(before)]
    assert names == ["period-started", *([word] if word else [])]
    assert telling.entitlements(before)[0][0] == ("restored" if word else "granted")


def test_goodwill_in_grace_retracts_the_grace() -> None:
    """The end moved behind today: it was no end."""
    telling = paid().advance(END + DAY).tell(shifted(1, START, END + 10 * DAY, "goodwill"))
    retracted = telling.last(licensing.GraceRetracted)
    assert set(retracted.corrects) == {
        *telling.ids(licensing.GraceStarted), *telling.ids(licensing.PeriodEnded),
    }  # fmt: skip
    assert telling.entitlement.state == "active"
    telling.advance(END + 11 * DAY)
    assert telling.events()[-1] == ("grace-started", "2026-01-11")


def test_an_answer_is_that_of_its_charge_and_the_first_one_counts() -> None:
    """Q7: another charge stays open, and what is heard later changes nothing."""
    telling = paid().tell(
        charge_asked(END - 14 * DAY, name="one"),
        charge_asked(END - 10 * DAY, name="two"),
        charge_failed(END - 5 * DAY, name="two"),
        charge_withdrawn(END - 4 * DAY, name="two"),
    )
    assert [asked.closed_at for asked in telling.license.history.asked] == [None, END - 5 * DAY]
    telling.tell(charge_withdrawn(END - 6 * DAY, name="two"))
    assert [asked.closed_at for asked in telling.license.history.asked] == [None, END - 6 * DAY]
