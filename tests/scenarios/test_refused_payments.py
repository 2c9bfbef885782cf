"""Money that buys nothing is refused with a code, paid back at once, and somebody is told."""

import json

import pytest

from contracts import billing, commands, payments
from tests.scenarios.case import DAY, END, HOUR, SECOND_END, START, Case
from tests.scenarios.year import SCENARIO, Year
from tests.support.metrics import counted

pytestmark = SCENARIO

PAID = END - 14 * DAY + 2 * HOUR
PAID_TWICE = (
    Case("paid-twice")
    .subscribed()
    .paid(START + DAY, id="another-success")
    .refund_paid(START + 2 * DAY)
)
RENEWED_TWICE = (
    Case("renewed-twice").subscribed().charged(PAID).charged(PAID + HOUR, order=3, id="other-card")
)
WRONG_AMOUNT: Case = (
    Case("wrong-amount")
    .ordered()
    .tell(
        START,
        "payment-succeeded",
        lambda year: {
            "order_id": WRONG_AMOUNT.order_id(),
            "kind": "initial",
            "amount": {"minor": 1, "currency": "EUR"},
        },
    )
)
NOBODY = Case("nobody").command(START, "cancel", lambda year: commands.Cancel(channel="support"))


@pytest.mark.parametrize(
    ("case", "code", "order"),
    [
        (PAID_TWICE, "ORDER_ALREADY_PAID", 1),
        (RENEWED_TWICE, "RENEWAL_ALREADY_PAID", 3),
        (WRONG_AMOUNT, "AMOUNT_MISMATCH", 1),
    ],
    ids=["order", "renewal", "amount"],
)
def test_money_that_buys_nothing_is_refused_and_asked_back(
    year: Year, case: Case, code: str, order: int
) -> None:
    (refused,) = year.told(case, billing.PaymentRefused)
    (initiated,) = year.told(case, billing.RefundInitiated)
    (asked,) = year.told(case, payments.RefundRequested)
    assert (refused.code, refused.order_id) == (code, case.order_id(order))
    assert initiated.effect == "none"
    assert (asked.order_id, asked.amount, asked.full) == (refused.order_id, refused.amount, True)
    assert asked.refund_id == initiated.refund_id


def test_the_first_success_stands(year: Year) -> None:
    (period,) = year.told(PAID_TWICE, billing.PeriodScheduled)[:1]
    assert (period.start, period.end) == (year.at(START), year.at(END))
    assert not year.told(PAID_TWICE, billing.PeriodRevoked)
    assert year.states(PAID_TWICE, START + 2 * DAY, END - DAY) == ["active", "active"]
    assert len(year.told(PAID_TWICE, billing.PaymentSucceeded)) == 1
    assert len(year.told(PAID_TWICE, billing.RefundSettled)) == 1


def test_the_paid_renewal_stands(year: Year) -> None:
    assert [p.order_id for p in year.told(RENEWED_TWICE, billing.PeriodScheduled)] == [
        RENEWED_TWICE.order_id(1),
        RENEWED_TWICE.order_id(2),
    ]
    assert year.states(RENEWED_TWICE, END, SECOND_END - DAY) == ["active", "active"]


def test_a_payment_of_another_amount_entitles_to_nothing(year: Year) -> None:
    assert not year.told(WRONG_AMOUNT, billing.PeriodScheduled)
    assert year.states(WRONG_AMOUNT, START + DAY) == [None]


def test_somebody_is_told(year: Year) -> None:
    """A line of the log and a metric, until there are alerts on a topic."""
    log = [json.loads(line) for line in year.log("billing").splitlines() if line.startswith("{")]
    told = {
        (line["subscription_id"], line["reason"])
        for line in log
        if line.get("code") == "PAYMENT_REFUSED"
    }
    assert (str(PAID_TWICE.id), "ORDER_ALREADY_PAID") in told
    assert (str(RENEWED_TWICE.id), "RENEWAL_ALREADY_PAID") in told
    url = year.services.url("billing")
    paid_twice = {"code": "PAYMENT_REFUSED", "reason": "ORDER_ALREADY_PAID"}
    assert counted(url, "tenure_billing_alerts_total", **paid_twice) >= 1


def test_a_command_about_nothing_is_refused(year: Year) -> None:
    (answer,) = year.answers(NOBODY, "cancel")
    assert isinstance(answer.data, billing.CommandRefused)
    assert answer.data.code == "SUBSCRIPTION_UNKNOWN"
    assert len(year.recording.messages(NOBODY.id)) == 2  # the command and its answer
