"""An order and its payment, in any order of arrival, late or repeated, lead to one paid period."""

from datetime import datetime

import pytest

from contracts import billing, licensing, notifications
from contracts.values import Money, period_id
from tests.scenarios.case import DAY, END, HOUR, MINUTE, START, Case
from tests.scenarios.year import SCENARIO, Year
from tests.support.upstream import NAME, address

pytestmark = SCENARIO

PAID = START + MINUTE

IN_ORDER = Case("in-order").ordered().paid(PAID).cancel(START + 2 * DAY)
PAYMENT_FIRST = (
    Case("payment-first").ordered(arrives=START + 5 * MINUTE).paid(PAID).cancel(START + 2 * DAY)
)
REPEATED = (
    Case("repeated")
    .ordered(times=3)
    .paid(PAID, times=3)
    .ordered(times=2, arrives=START + DAY)
    .paid(PAID, times=2, arrives=START + DAY)
    .cancel(START + 2 * DAY)
)
PAID_DAYS_LATER = Case("paid-days-later").ordered().paid(START + 3 * DAY)
PAID_IN_TIME_TOLD_LATE = Case("told-late").ordered().paid(START + HOUR, arrives=START + 3 * DAY)
ORDER_DAYS_LATER = Case("order-late").paid(PAID).ordered(arrives=START + 3 * DAY)
ORDER_NEVER = Case("order-never").paid(PAID)
NEVER_PAID = Case("never-paid").ordered()


@pytest.mark.parametrize("case", [IN_ORDER, PAYMENT_FIRST, REPEATED], ids=lambda case: case.name)
def test_order_and_payment_in_either_order_make_one_entitled_period(year: Year, case: Case) -> None:
    (created,) = year.told(case, billing.SubscriptionCreated)
    (paid,) = year.told(case, billing.PaymentSucceeded)
    (period,) = year.told(case, billing.PeriodScheduled)
    bounds = (year.at(PAID), year.at(END + MINUTE))
    assert (created.reference, created.provider_id) == (case.reference, "online-store")
    assert (paid.kind, paid.amount) == ("initial", Money(minor=4999, currency="EUR"))
    assert paid.period_id == period.period_id == period_id(case.id, case.order_id())
    assert (period.start, period.end) == bounds
    assert year.access(case)[0] == ("period-started", bounds[0])
    (granted,) = year.told(case, licensing.EntitlementGranted)
    assert (granted.state, granted.valid_until) == ("active", bounds[1])
    assert year.states(case, START, START + 5 * MINUTE, END) == [None, "active", "active"]


@pytest.mark.parametrize("case", [IN_ORDER, PAYMENT_FIRST, REPEATED], ids=lambda case: case.name)
def test_the_order_is_confirmed_once_with_the_management_link(year: Year, case: Case) -> None:
    assert year.mailed(case)[0] == "order-confirmation"
    assert year.mailed(case).count("order-confirmation") == 1
    mail = year.letter(case, "order-confirmation")
    assert mail["To"] == [{"Name": NAME, "Address": address(case.reference)}]
    for part in ("Text", "HTML"):
        assert f"https://store.example.com/subscriptions/{case.reference}" in mail[part]


def test_the_same_facts_in_another_order_say_the_same(year: Year) -> None:
    def facts(case: Case) -> list[tuple[str, datetime]]:
        return sorted(
            (message.type, message.data.effective_at)
            for message in year.recording.messages(case.id)
            if isinstance(message.data, billing.BillingEvent | licensing.LicensingEvent)
        )

    assert facts(PAYMENT_FIRST) == facts(IN_ORDER)
    assert facts(REPEATED) == facts(IN_ORDER)


def test_repetitions_are_ignored_for_ever(year: Year) -> None:
    assert len(year.told(REPEATED, billing.SubscriptionCreated)) == 1
    assert not year.told(REPEATED, billing.PaymentRefused)
    assert year.mailed(REPEATED) == [
        "order-confirmation",
        "cancellation",
        "expiry-notice",
        "expired",
    ]


def test_a_payment_days_later_takes_back_that_the_order_came_to_nothing(year: Year) -> None:
    (period,) = year.told(PAID_DAYS_LATER, billing.PeriodScheduled)[:1]
    (incomplete,) = year.told(PAID_DAYS_LATER, billing.SubscriptionIncompleteExpired)
    paid = year.told(PAID_DAYS_LATER, billing.PaymentSucceeded)[0]
    said = {m.data.TYPE: m.id for m in year.recording.messages(PAID_DAYS_LATER.id)}
    assert incomplete.effective_at == year.at(START + 23 * HOUR)
    assert [str(id) for id in paid.corrects or ()] == [said[incomplete.TYPE]]
    assert (period.start, period.end) == (year.at(START + 3 * DAY), year.at(END + 3 * DAY))
    before_and_after = (START + 2 * DAY, START + 3 * DAY)
    assert year.states(PAID_DAYS_LATER, *before_and_after) == [None, "active"]


def test_a_payment_in_time_counts_from_then_although_it_is_told_late(year: Year) -> None:
    period = year.told(PAID_IN_TIME_TOLD_LATE, billing.PeriodScheduled)[0]
    assert period.start == year.at(START + HOUR)
    assert year.access(PAID_IN_TIME_TOLD_LATE)[0] == ("period-started", year.at(START + HOUR))


def test_a_payment_waits_a_day_for_its_order_and_is_used_when_it_comes_after_all(
    year: Year,
) -> None:
    case = ORDER_DAYS_LATER
    (unknown,) = year.told(case, billing.PaymentRefused)
    paid = year.told(case, billing.PaymentSucceeded)[0]
    period = year.told(case, billing.PeriodScheduled)[0]
    # Nothing leaves before.
    said = year.recording.messages(case.id)[:1]
    assert said[0].data is unknown
    assert (unknown.code, unknown.order_id) == ("ORDER_UNKNOWN", case.order_id())
    # Received at PAID, so a day after that.
    assert unknown.effective_at == year.at(PAID + DAY)
    assert [str(id) for id in paid.corrects or ()] == [said[0].id]
    assert (period.start, period.end) == (year.at(PAID), year.at(END + MINUTE))
    assert year.states(case, START + 2 * DAY, START + 3 * DAY) == [None, "active"]
    assert year.mailed(case)[0] == "order-confirmation"


def test_a_payment_without_its_order_is_refused_and_entitles_to_nothing(year: Year) -> None:
    (only,) = year.recording.messages(ORDER_NEVER.id)
    assert isinstance(only.data, billing.PaymentRefused)
    assert only.data.code == "ORDER_UNKNOWN"
    assert only.data.effective_at == year.at(PAID + DAY)


def test_an_order_that_is_never_paid_entitles_to_nothing(year: Year) -> None:
    told = [m.data.TYPE for m in year.recording.messages(NEVER_PAID.id)]
    assert told == ["billing.subscription-created.v1", "billing.subscription-incomplete-expired.v1"]
    assert not year.told(NEVER_PAID, notifications.MailRequested)
