"""Cancelling stops charges, never shortens paid time, and is confirmed with the date that access ends."""

from contracts import billing, licensing, payments
from tests.scenarios.case import DAY, END, HOUR, MINUTE, SECOND_END, START, Case, When
from tests.scenarios.year import SCENARIO, Year

pytestmark = SCENARIO

CHARGED = END - 14 * DAY
CANCELED = (
    Case("canceled")
    .subscribed()
    .cancel(START + 200 * DAY)
    .cancel(START + 201 * DAY, "again")
    .cancel(END + DAY, "too late")
)
AFTER_CHARGE = Case("after-charge").subscribed().charged(CHARGED + 2 * HOUR).cancel(END - 12 * DAY)
BEFORE_ANSWER = (
    Case("before-answer").subscribed().cancel(CHARGED + HOUR).charged(CHARGED + 2 * HOUR)
)
CHANGED_MIND = (
    Case("changed-mind")
    .subscribed()
    .uncancel(START + 199 * DAY, "nothing to withdraw")
    .cancel(START + 200 * DAY)
    .uncancel(START + 210 * DAY)
    .cancel(START + 220 * DAY, "once more")
)
STAYS = (
    Case("stays")
    .subscribed()
    .cancel(START + 200 * DAY)
    .uncancel(START + 210 * DAY)
    .charged(CHARGED + 2 * HOUR)
)
IN_GRACE = Case("in-grace").subscribed().cancel(END + 2 * DAY)


def day(year: Year, when: When) -> str:
    """A date as the English mails write it."""
    at = year.at(when)
    return f"{at:%B} {at.day}, {at.year}"


def test_no_further_charge_and_access_to_the_end_of_the_paid_period(year: Year) -> None:
    scheduled = year.answer(CANCELED, "cancel")
    assert isinstance(scheduled, billing.CancellationScheduled)
    assert scheduled.cancel_at == year.at(END)
    assert not year.told(CANCELED, payments.ChargeRequested)
    assert not year.told(CANCELED, billing.RenewalReminderDue)
    assert year.states(CANCELED, END - MINUTE, END) == ["active", "expired"]
    assert year.access(CANCELED)[-2:] == [("period-ended", year.at(END)), ("expired", year.at(END))]
    assert year.told(CANCELED, licensing.Expired)[0].reason == "canceled"


def test_the_confirmation_names_the_date_that_access_ends(year: Year) -> None:
    assert year.mailed(CANCELED) == [
        "order-confirmation",
        "cancellation",
        "expiry-notice",
        "expired",
    ]
    mail = year.letter(CANCELED, "cancellation")
    for part in ("Text", "HTML"):
        assert day(year, END) in mail[part]


def test_what_is_off_or_over_cannot_be_canceled(year: Year) -> None:
    for label, code in (("again", "NO_AUTO_RENEWAL"), ("too late", "SUBSCRIPTION_ENDED")):
        refused = year.answer(CANCELED, label)
        assert isinstance(refused, billing.CommandRefused)
        assert (refused.command, refused.code) == ("billing.cancel.v1", code)
        assert len(year.answers(CANCELED, label)) == 1


def test_canceled_after_the_early_charge_ends_a_year_later(year: Year) -> None:
    """S-39."""
    scheduled = year.answer(AFTER_CHARGE, "cancel")
    renewal = year.told(AFTER_CHARGE, billing.PeriodScheduled)[1]
    assert scheduled.cancel_at == year.at(SECOND_END)
    assert year.states(AFTER_CHARGE, END, SECOND_END - MINUTE, SECOND_END) == [
        "active",
        "active",
        "expired",
    ]
    assert year.told(AFTER_CHARGE, licensing.Expired)[0].reason == "canceled"
    assert len(year.told(AFTER_CHARGE, payments.ChargeRequested)) == 1
    assert scheduled.refundable.order_id == renewal.order_id
    mail = year.letter(AFTER_CHARGE, "cancellation")
    assert day(year, SECOND_END) in mail["Text"]
    # The way to the money back, and until when.
    assert f"https://store.example.com/subscriptions/{AFTER_CHARGE.reference}" in mail["Text"]
    assert day(year, END - 14 * DAY + 30 * DAY) in mail["Text"]


def test_canceled_between_charge_and_payment_keeps_what_was_paid(year: Year) -> None:
    """Q15."""
    (asked,) = year.told(BEFORE_ANSWER, payments.ChargeRequested)
    (withdrawn,) = year.told(BEFORE_ANSWER, payments.ChargeWithdrawn)
    (changed,) = year.told(BEFORE_ANSWER, billing.CancellationDateChanged)
    answers = year.answers(BEFORE_ANSWER, "cancel")
    (scheduled,) = [a for a in answers if isinstance(a.data, billing.CancellationScheduled)]
    assert (withdrawn.charge_id, withdrawn.reason) == (asked.charge_id, "canceled")
    assert (changed.old, changed.new) == (year.at(END), year.at(SECOND_END))
    assert [str(id) for id in changed.corrects or ()] == [scheduled.id]
    assert year.states(BEFORE_ANSWER, END, SECOND_END) == ["active", "expired"]
    assert day(year, END) in year.letter(BEFORE_ANSWER, "cancellation")["Text"]
    assert day(year, SECOND_END) in year.letter(BEFORE_ANSWER, "cancellation-date-changed")["Text"]


def test_a_withdrawn_cancellation_renews_after_all(year: Year) -> None:
    cancellation = year.answer(STAYS, "cancel")
    withdrawn = year.answer(STAYS, "uncancel")
    assert isinstance(withdrawn, billing.CancellationWithdrawn)
    assert withdrawn.cancellation_id == cancellation.cancellation_id
    assert year.told(STAYS, billing.RenewalReminderDue)
    assert year.told(STAYS, payments.ChargeRequested)
    assert ("subscription-renewed", year.at(END)) in year.access(STAYS)
    assert year.states(STAYS, END) == ["active"]


def test_every_cancellation_is_confirmed_once(year: Year) -> None:
    nothing = year.answer(CHANGED_MIND, "nothing to withdraw")
    assert isinstance(nothing, billing.CommandRefused)
    assert nothing.code == "NOT_CANCELED"
    first, second = year.told(CHANGED_MIND, billing.CancellationScheduled)
    assert first.cancellation_id != second.cancellation_id
    assert year.mailed(CHANGED_MIND).count("cancellation") == 2
    assert year.states(CHANGED_MIND, END) == ["expired"]


def test_a_cancellation_in_grace_ends_it_at_once(year: Year) -> None:
    (asked,) = year.told(IN_GRACE, payments.ChargeRequested)
    (withdrawn,) = year.told(IN_GRACE, payments.ChargeWithdrawn)
    assert (withdrawn.charge_id, withdrawn.reason) == (asked.charge_id, "canceled")
    assert year.states(IN_GRACE, END + DAY, END + 2 * DAY) == ["grace", "expired"]
    assert year.told(IN_GRACE, licensing.Expired)[0].reason == "canceled"
    assert not year.told(IN_GRACE, licensing.HoldStarted)
