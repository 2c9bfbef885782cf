"""Renewals that are charged early (online-store): reminder, one charge, an upcoming period, renewed."""

from datetime import timedelta

from contracts import billing, licensing, notifications, payments
from contracts.values import Money
from tests.scenarios.case import DAY, END, HOUR, SECOND_END, START, Case
from tests.scenarios.year import SCENARIO, Year

pytestmark = SCENARIO

CHARGED = END - 14 * DAY
RENEWED = (
    Case("renewed")
    .subscribed()
    .charged(CHARGED + 2 * HOUR)
    .charged(CHARGED + 2 * HOUR, arrives=CHARGED + 3 * DAY)
    .charged(SECOND_END - 14 * DAY + 2 * HOUR, order=3)
)
MONTHLY = Case("monthly", term="P1M").subscribed()


def test_the_reminder_comes_30_days_before_the_end_with_conditions_and_link(year: Year) -> None:
    first, second = year.told(RENEWED, billing.RenewalReminderDue)[:2]
    assert first.effective_at == year.at(END - 30 * DAY)
    assert (first.end, first.charge_on) == (year.at(END), year.at(CHARGED))
    assert second.effective_at == year.at(SECOND_END - 30 * DAY)
    mail = year.letter(RENEWED, "renewal-reminder")
    charged = year.at(CHARGED)
    for part in ("Text", "HTML"):
        assert "€49.99" in mail[part]
        assert f"{charged:%B} {charged.day}, {charged.year}" in mail[part]
        assert f"https://store.example.com/subscriptions/{RENEWED.reference}" in mail[part]


def test_the_reminder_was_accepted_before_the_charge_that_it_announces(year: Year) -> None:
    accepted = next(
        mail
        for mail in year.told(RENEWED, notifications.MailAccepted)
        if mail.kind == "renewal-reminder"
    )
    assert accepted.at == year.at(END - 30 * DAY)
    assert not year.told(RENEWED, billing.ReminderWaived)


def test_the_renewal_is_charged_once_14_days_before_the_end(year: Year) -> None:
    first, second = year.told(RENEWED, payments.ChargeRequested)
    told = year.told(RENEWED, billing.RenewalChargeRequested)
    initial = year.told(RENEWED, billing.PeriodScheduled)[0]
    assert [t.effective_at for t in told] == [year.at(CHARGED), year.at(SECOND_END - 14 * DAY)]
    assert [t.charge_id for t in told] == [first.charge_id, second.charge_id]
    assert first.charge_id != second.charge_id
    assert first.renews == initial.period_id
    assert (first.period.start, first.period.end) == (year.at(END), year.at(SECOND_END))
    assert first.amount == Money(minor=4999, currency="EUR")
    assert first.charge_by == year.at(END + 37 * DAY)


def test_the_paid_renewal_is_upcoming_and_becomes_current_at_the_end(year: Year) -> None:
    initial, renewal, _ = year.told(RENEWED, billing.PeriodScheduled)
    assert (renewal.start, renewal.end) == (initial.end, year.at(SECOND_END))
    assert (renewal.kind, renewal.basis, renewal.ordinal) == ("renewal", "from_end", 2)
    assert renewal.effective_at == year.at(CHARGED + 2 * HOUR)
    assert year.access(RENEWED)[:4] == [
        ("period-started", year.at(START)),
        ("period-ended", year.at(END)),
        ("period-started", year.at(END)),
        ("subscription-renewed", year.at(END)),
    ]


def test_access_never_stops_and_is_extended_when_the_renewal_is_paid(year: Year) -> None:
    told = year.told(RENEWED, licensing.Entitlement)
    paid_at = year.at(CHARGED + 2 * HOUR)
    until = [e.valid_until for e in told if e.as_of < paid_at]
    assert set(until) == {year.at(END)}
    assert next(e.valid_until for e in told if e.as_of >= paid_at) == year.at(SECOND_END)
    assert {e.state for e in told} == {"active"}
    pending = [(e.as_of, e.renewal_pending) for e in told if e.renewal_pending]
    assert pending[0] == (year.at(CHARGED), True)


def test_a_repeated_answer_buys_nothing_more(year: Year) -> None:
    assert len(year.told(RENEWED, billing.PeriodScheduled)) == 3
    assert not year.told(RENEWED, billing.PaymentRefused)
    assert year.mailed(RENEWED) == [
        "order-confirmation",
        "renewal-reminder",
        "receipt",
        "renewal-reminder",
        "receipt",
    ]


def test_a_month_is_charged_a_quarter_before_its_end_without_a_reminder(year: Year) -> None:
    period = year.told(MONTHLY, billing.PeriodScheduled)[0]
    (charge,) = year.told(MONTHLY, billing.RenewalChargeRequested)
    (waived,) = year.told(MONTHLY, billing.ReminderWaived)
    assert period.end
    # A month counts as 30 days here.
    assert period.end - charge.effective_at == timedelta(days=7.5)
    assert (waived.reason, waived.renews) == ("short_term", period.period_id)
    assert not year.told(MONTHLY, billing.RenewalReminderDue)
