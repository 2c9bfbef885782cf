"""Refunds (online-store): asked for, reviewed, decided; what they take away and what they give back."""

import pytest

from contracts import billing, licensing, payments
from contracts.values import Money
from tests.scenarios.case import DAY, END, HOUR, MINUTE, SECOND_END, START, Case
from tests.scenarios.year import SCENARIO, Year

pytestmark = SCENARIO

CHARGED = END - 14 * DAY
PAID = CHARGED + 2 * HOUR
APPROVED = START + 12 * DAY
CURRENT = (
    Case("refund-current")
    .subscribed()
    .ask_refund(START + 10 * DAY)
    .ask_refund(START + 11 * DAY, "second")
    .approve(APPROVED)
    .approve(APPROVED + HOUR, "twice")
    .refund_paid(APPROVED + 4 * DAY)
)
UPCOMING = (
    Case("refund-upcoming")
    .subscribed()
    .charged(PAID)
    .ask_refund(END - 6 * DAY, order=2, bought=PAID)
    .approve(END - 5 * DAY)
    .refund_paid(END - 2 * DAY)
)
DECIDED_LATE = (
    Case("decided-late")
    .subscribed()
    .charged(PAID)
    .ask_refund(END - DAY, order=2, bought=PAID)
    .approve(END + DAY)
)
DECLINED = (
    Case("refund-declined")
    .subscribed()
    .ask_refund(START + 10 * DAY)
    .decline(APPROVED, "NOT_ELIGIBLE")
    .ask_refund(APPROVED + DAY, "again")
)
FAILED = (
    Case("refund-failed")
    .subscribed()
    .ask_refund(START + 10 * DAY)
    .approve(APPROVED)
    .refund_failed(APPROVED + DAY)
)
BY_PROVIDER: Case = (
    Case("refund-by-provider")
    .subscribed()
    .charged(PAID)
    .tell(
        END - 5 * DAY,
        "refund-succeeded",
        lambda year: {
            "order_id": BY_PROVIDER.order_id(),
            "amount": {"minor": 4999, "currency": "EUR"},
            "full": True,
        },
    )
)
STRANGER = (
    Case("refund-stranger")
    .subscribed()
    .ask_refund(START + 10 * DAY, "name", name="Bob Cat")
    .ask_refund(START + 10 * DAY, "address", email="bob@example.com")
    .ask_refund(START + 10 * DAY, "date", bought=START + DAY)
    .ask_refund(START + 11 * DAY, "same again", name="Bob Cat")
    .ask_refund(START + 12 * DAY, "right")
)
TOO_LATE = Case("refund-too-late").subscribed().ask_refund(START + 45 * DAY)
UNKNOWN_ORDER = Case("refund-unknown").subscribed().ask_refund(START + DAY, order="O-nobody-knows")


def test_a_refund_is_asked_for_reviewed_approved_and_settled(year: Year) -> None:
    told = [
        (m.type.split(".")[1], m.data.effective_at)
        for m in year.recording.messages(CURRENT.id)
        if isinstance(m.data, billing.RefundEvent)
    ]
    assert told == [
        ("refund-requested", year.at(START + 10 * DAY)),
        ("refund-under-review", year.at(START + 10 * DAY)),
        ("refund-approved", year.at(APPROVED)),
        ("refund-initiated", year.at(APPROVED)),
        ("refund-settled", year.at(APPROVED + 4 * DAY)),
    ]
    (asked,) = year.told(CURRENT, payments.RefundRequested)
    (settled,) = year.told(CURRENT, billing.RefundSettled)
    assert (asked.order_id, asked.full) == (CURRENT.order_id(), True)
    assert asked.amount == Money(minor=4999, currency="EUR")
    assert (settled.refund_id, settled.case_id) == (asked.refund_id, asked.case_id)
    assert year.mailed(CURRENT) == [
        "order-confirmation",
        "refund-requested",
        "refund-initiated",
        "expired",
        "refund-settled",
    ]


def test_a_refund_of_the_current_period_ends_access_at_once(year: Year) -> None:
    """S-47: no grace, no further charge."""
    (revoked,) = year.told(CURRENT, billing.PeriodRevoked)
    (expired,) = year.told(CURRENT, licensing.Expired)
    (initiated,) = year.told(CURRENT, billing.RefundInitiated)
    assert initiated.effect == "current_revoked"
    assert (revoked.effective_at, revoked.reason) == (year.at(APPROVED), "refunded")
    assert (expired.effective_at, expired.reason) == (year.at(APPROVED), "refunded")
    assert year.states(CURRENT, APPROVED - MINUTE, APPROVED, END) == [
        "active",
        "revoked",
        "revoked",
    ]
    assert not year.told(CURRENT, licensing.GraceStarted)
    assert not year.told(CURRENT, payments.ChargeRequested)


def test_a_second_refund_of_an_order_is_refused_with_its_case(year: Year) -> None:
    (case,) = year.told(CURRENT, billing.RefundRequested)
    second, twice = year.answer(CURRENT, "second"), year.answer(CURRENT, "twice")
    assert isinstance(second, billing.CommandRefused)
    assert (second.code, second.case_id) == ("REFUND_EXISTS", case.case_id)
    assert isinstance(twice, billing.CommandRefused)
    assert (twice.code, twice.case_id) == ("CASE_CLOSED", case.case_id)
    for label in ("second", "twice"):
        assert len(year.answers(CURRENT, label)) == 1


def test_a_refund_of_the_upcoming_period_leaves_the_current_one(year: Year) -> None:
    """S-48."""
    initial, renewal = year.told(UPCOMING, billing.PeriodScheduled)
    (voided,) = year.told(UPCOMING, billing.PeriodVoided)
    (initiated,) = year.told(UPCOMING, billing.RefundInitiated)
    (expired,) = year.told(UPCOMING, licensing.Expired)
    assert initiated.effect == "upcoming_voided"
    assert initiated.access_until == year.at(END)
    assert (voided.period_id, voided.reason) == (renewal.period_id, "refunded_renewal")
    assert initial.end == expired.effective_at == year.at(END)
    assert expired.reason == "refunded_renewal"
    assert year.states(UPCOMING, END - 5 * DAY, END - MINUTE, END) == [
        "active",
        "active",
        "revoked",
    ]
    assert not year.told(UPCOMING, billing.PeriodRevoked)
    assert not year.told(UPCOMING, licensing.GraceStarted)
    assert year.told(UPCOMING, billing.RefundSettled)


def test_the_time_of_the_request_decides_although_the_period_has_begun_meanwhile(
    year: Year,
) -> None:
    """Q10: days already used stay used."""
    (initiated,) = year.told(DECIDED_LATE, billing.RefundInitiated)
    (expired,) = year.told(DECIDED_LATE, licensing.Expired)
    assert initiated.effect == "upcoming_voided"
    assert (expired.effective_at, expired.reason) == (year.at(END + DAY), "refunded_renewal")
    assert year.states(DECIDED_LATE, END, END + DAY) == ["active", "revoked"]


def test_an_operator_declines_with_a_code_and_nothing_changes(year: Year) -> None:
    (case,) = year.told(DECLINED, billing.RefundRequested)
    (declined,) = year.told(DECLINED, billing.RefundDeclined)
    again = year.answer(DECLINED, "again")
    assert year.answer(DECLINED, "decline") == declined
    assert (declined.code, declined.case_id) == ("NOT_ELIGIBLE", case.case_id)
    assert (again.code, again.case_id) == ("REFUND_EXISTS", case.case_id)
    assert not year.told(DECLINED, payments.RefundRequested)
    assert year.states(DECLINED, APPROVED, END - MINUTE, END) == ["active", "active", "grace"]
    assert year.mailed(DECLINED)[:3] == [
        "order-confirmation",
        "refund-requested",
        "refund-declined",
    ]


def test_a_refund_that_fails_gives_the_period_back(year: Year) -> None:
    (reinstated,) = year.told(FAILED, billing.PeriodReinstated)
    (failed,) = year.told(FAILED, billing.RefundFailed)
    (asked,) = year.told(FAILED, payments.RefundRequested)
    assert failed.refund_id == asked.refund_id
    assert reinstated.effective_at == year.at(APPROVED + DAY)
    assert ("reinstated", year.at(APPROVED + DAY)) in year.access(FAILED)
    assert year.states(FAILED, APPROVED, APPROVED + DAY, END - MINUTE) == [
        "revoked",
        "active",
        "active",
    ]
    assert "refund-failed" in year.mailed(FAILED)
    # Automatic renewal stays off (Q11).
    assert not year.told(FAILED, payments.ChargeRequested)


def test_refunding_the_current_period_refunds_the_paid_next_one_too(year: Year) -> None:
    """Q12, for a refund that the provider made by itself."""
    assert {(r.order_id, r.effect) for r in year.told(BY_PROVIDER, billing.RefundInitiated)} == {
        (BY_PROVIDER.order_id(), "current_revoked"),
        (BY_PROVIDER.order_id(2), "upcoming_voided"),
    }
    assert [r.order_id for r in year.told(BY_PROVIDER, payments.RefundRequested)] == [
        BY_PROVIDER.order_id(2)
    ]
    assert year.told(BY_PROVIDER, billing.RefundSettled)[0].order_id == BY_PROVIDER.order_id()
    whens = (END - 5 * DAY - MINUTE, END - 5 * DAY, END, SECOND_END)
    assert year.states(BY_PROVIDER, *whens) == ["active", "revoked", "revoked", "revoked"]


@pytest.mark.parametrize("wrong", ["name", "address", "date"])
def test_a_wrong_detail_is_declined_without_telling_which(year: Year, wrong: str) -> None:
    (answer,) = year.answers(STRANGER, wrong)
    declined = answer.data
    assert isinstance(declined, billing.RefundDeclined)
    assert declined.code == "IDENTITY_MISMATCH"
    told = declined.model_dump(exclude={"fact_id", "case_id"})
    other = year.answer(STRANGER, "address").model_dump(exclude={"fact_id", "case_id"})
    assert told == other


def test_the_same_wrong_request_is_the_same_case_and_the_right_one_is_open(year: Year) -> None:
    """Q14."""
    again, right = year.answer(STRANGER, "same again"), year.answer(STRANGER, "right")
    assert isinstance(again, billing.CommandRefused)
    assert again.case_id == year.answer(STRANGER, "name").case_id
    assert isinstance(right, billing.RefundRequested)
    assert not year.told(STRANGER, payments.RefundRequested)
    assert year.states(STRANGER, START + 12 * DAY) == ["active"]


def test_a_refund_outside_the_window_is_declined(year: Year) -> None:
    (answer,) = year.answers(TOO_LATE, "refund")
    assert isinstance(answer.data, billing.RefundDeclined)
    assert answer.data.code == "OUTSIDE_WINDOW"
    assert not year.told(TOO_LATE, payments.RefundRequested)
    assert year.states(TOO_LATE, START + 46 * DAY) == ["active"]


def test_a_refund_of_an_unknown_order_is_refused_and_nothing_changes(year: Year) -> None:
    (answer,) = year.answers(UNKNOWN_ORDER, "refund")
    assert isinstance(answer.data, billing.CommandRefused)
    assert (answer.data.command, answer.data.code) == ("billing.request-refund.v1", "ORDER_UNKNOWN")
    assert not any(
        isinstance(m.data, billing.RefundEvent) for m in year.recording.messages(UNKNOWN_ORDER.id)
    )
    assert year.states(UNKNOWN_ORDER, START + DAY) == ["active"]
