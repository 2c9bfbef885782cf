"""A renewal that is not paid: active to the end, grace, hold, expiry; and every way back."""

from contracts import billing, licensing, payments
from contracts.licensing import Capabilities
from tests.scenarios.case import DAY, END, HOUR, MINUTE, SECOND_END, START, Case
from tests.scenarios.year import SCENARIO, Year

pytestmark = SCENARIO

ALL = Capabilities(database_updates=True, cloud_reputation=True, protection=True, scan=True)
NONE = Capabilities(database_updates=False, cloud_reputation=False, protection=False, scan=False)
CHARGED = END - 14 * DAY
GRACE_ENDS, HOLD_ENDS = END + 7 * DAY, END + 37 * DAY


def failing(name: str) -> Case:
    """A subscription whose first attempt to charge fails."""
    return Case(name).subscribed().declined(CHARGED + 2 * HOUR, retry=END - 7 * DAY)


LAPSED = failing("lapsed").declined(END - 7 * DAY)
UNANSWERED = Case("unanswered").subscribed()
IN_GRACE = failing("paid-in-grace").charged(END + 3 * DAY)
IN_HOLD = failing("paid-in-hold").charged(END + 20 * DAY)
TOLD_LATE = Case("paid-in-time").subscribed().charged(END - HOUR, arrives=END + 2 * DAY)
AFTER_ALL = failing("ordered-again").paid(END + 60 * DAY, order=9, kind="manual")


def test_a_failed_charge_changes_nothing_before_the_end(year: Year) -> None:
    first, last = year.told(LAPSED, billing.PaymentFailed)
    period = year.told(LAPSED, billing.PeriodScheduled)[0]
    assert (first.period_id, last.period_id) == (period.period_id, period.period_id)
    assert (first.hard_decline, last.hard_decline) == (False, True)
    assert year.states(LAPSED, CHARGED + 2 * HOUR, END - 7 * DAY, END - MINUTE) == ["active"] * 3
    assert len(year.told(LAPSED, payments.ChargeRequested)) == 1


def test_grace_keeps_every_function_and_hold_none(year: Year) -> None:
    assert year.access(LAPSED) == [
        ("period-started", year.at(START)),
        ("period-ended", year.at(END)),
        ("grace-started", year.at(END)),
        ("grace-ended", year.at(GRACE_ENDS)),
        ("hold-started", year.at(GRACE_ENDS)),
        ("expired", year.at(HOLD_ENDS)),
    ]
    before, grace, hold, expired = (
        year.state(LAPSED, when) for when in (END - MINUTE, END, GRACE_ENDS, HOLD_ENDS)
    )
    assert before
    assert grace
    assert hold
    assert expired
    assert (grace.state, grace.capabilities) == ("grace", before.capabilities)
    assert before.capabilities == ALL
    assert (hold.state, hold.capabilities) == ("suspended", NONE)
    assert (expired.state, expired.capabilities) == ("expired", NONE)
    assert year.told(LAPSED, licensing.Expired)[0].reason == "payment_failed"


def test_every_stage_of_a_failed_renewal_is_mailed_once(year: Year) -> None:
    assert year.mailed(LAPSED) == [
        "order-confirmation",
        "renewal-reminder",
        "payment-failed",
        "payment-failed",
        "grace-started",
        "hold-started",
        "expired",
    ]
    for kind in ("payment-failed", "grace-started", "hold-started"):
        link = f"https://store.example.com/subscriptions/{LAPSED.reference}"
        assert link in year.letter(LAPSED, kind)["Text"]


def test_a_charge_that_nobody_answers_is_withdrawn_when_the_hold_ends(year: Year) -> None:
    (asked,) = year.told(UNANSWERED, payments.ChargeRequested)
    (withdrawn,) = year.told(UNANSWERED, payments.ChargeWithdrawn)
    (told,) = year.told(UNANSWERED, billing.RenewalChargeWithdrawn)
    assert asked.charge_by == told.effective_at == year.at(HOLD_ENDS)
    assert (withdrawn.charge_id, withdrawn.reason) == (asked.charge_id, "ended")
    assert year.told(UNANSWERED, licensing.Expired)[0].reason == "payment_failed"


def test_a_payment_in_grace_recovers_from_the_old_end(year: Year) -> None:
    renewal = year.told(IN_GRACE, billing.PeriodScheduled)[1]
    assert (renewal.start, renewal.end) == (year.at(END), year.at(SECOND_END))
    assert renewal.basis == "from_end"
    assert ("recovered", year.at(END + 3 * DAY)) in year.access(IN_GRACE)
    whens = (END - MINUTE, END, END + 3 * DAY, GRACE_ENDS)
    assert year.states(IN_GRACE, *whens) == ["active", "grace", "active", "active"]
    assert ("hold-started", year.at(GRACE_ENDS)) not in year.access(IN_GRACE)
    assert "recovered" in year.mailed(IN_GRACE)


def test_a_payment_in_hold_recovers_from_now(year: Year) -> None:
    renewal = year.told(IN_HOLD, billing.PeriodScheduled)[1]
    paid_at = END + 20 * DAY
    assert renewal.start == year.at(paid_at)
    assert renewal.end == year.at(SECOND_END + 20 * DAY)
    assert renewal.basis == "from_now"
    assert ("recovered", year.at(paid_at)) in year.access(IN_HOLD)
    whens = (END, GRACE_ENDS, paid_at - MINUTE, paid_at, HOLD_ENDS)
    assert year.states(IN_HOLD, *whens) == ["grace", "suspended", "suspended", "active", "active"]
    assert year.told(IN_HOLD, licensing.EntitlementRestored)


def test_a_payment_in_time_that_is_told_late_leaves_no_gap(year: Year) -> None:
    renewal = year.told(TOLD_LATE, billing.PeriodScheduled)[1]
    (retracted,) = year.told(TOLD_LATE, licensing.GraceRetracted)
    started = next(
        m for m in year.recording.messages(TOLD_LATE.id) if m.type == licensing.GraceStarted.TYPE
    )
    assert (renewal.start, renewal.end) == (year.at(END), year.at(SECOND_END))
    assert [str(id) for id in retracted.corrects or ()] == [started.id]
    assert ("subscription-renewed", year.at(END)) in year.access(TOLD_LATE)
    assert year.states(TOLD_LATE, END - MINUTE, END + DAY, END + 2 * DAY) == [
        "active",
        "grace",
        "active",
    ]


def test_a_payment_after_the_end_of_all_starts_from_now(year: Year) -> None:
    again = year.told(AFTER_ALL, billing.PeriodScheduled)[1]
    assert again.start == year.at(END + 60 * DAY)
    assert ("resubscribed", year.at(END + 60 * DAY)) in year.access(AFTER_ALL)
    whens = (HOLD_ENDS, END + 60 * DAY)
    assert year.states(AFTER_ALL, *whens) == ["expired", "active"]
