"""Which event makes which mail, once."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from contracts import billing, licensing
from contracts.base import Data
from contracts.notifications import MailKind
from services.notifications.domain.correspondence import notice_id
from tests.domain.notifications.stories import (
    CREATED,
    PAID,
    PERIOD,
    REMINDER,
    SCHEDULED,
    SUBSCRIPTION,
    T0,
    YEAR,
    event,
    named,
    steps,
    tell,
)

TRIGGERS: list[tuple[type[Data], dict[str, Any], MailKind | None]] = [
    (billing.PaymentSucceeded, {}, "order-confirmation"),
    (billing.PaymentSucceeded, {"kind": "renewal"}, "receipt"),
    (billing.PaymentSucceeded, {"kind": "manual"}, "receipt"),
    (billing.PaymentSucceeded, {"kind": "prepayment"}, "receipt"),
    (billing.PaymentFailed, {}, "payment-failed"),
    (billing.PaymentFailed, {"kind": "prepayment"}, "payment-failed"),
    (billing.PaymentFailed, {"kind": "initial"}, None),
    (billing.PaymentFailed, {"kind": "manual"}, None),
    (billing.RenewalReminderDue, {}, "renewal-reminder"),
    (billing.ExpiryNoticeDue, {}, "expiry-notice"),
    (billing.CancellationScheduled, {}, "cancellation"),
    (billing.CancellationDateChanged, {}, "cancellation-date-changed"),
    (billing.CancellationWithdrawn, {}, None),
    (billing.RefundRequested, {}, "refund-requested"),
    (billing.RefundUnderReview, {}, None),
    (billing.RefundApproved, {}, None),
    (billing.RefundDeclined, {}, "refund-declined"),
    (billing.RefundInitiated, {}, "refund-initiated"),
    (billing.RefundSettled, {}, "refund-settled"),
    (billing.RefundFailed, {}, "refund-failed"),
    (billing.RefundOverdue, {}, None),
    (billing.DisputeOpened, {}, "dispute-opened"),
    (billing.DisputeWon, {}, "dispute-closed"),
    (billing.DisputeLost, {}, "dispute-closed"),
    (billing.PauseStarted, {}, None),
    (licensing.Paused, {}, "paused"),
    (licensing.Resumed, {}, "resumed"),
    (licensing.GraceStarted, {}, "grace-started"),
    (licensing.GraceEnded, {}, None),
    (licensing.HoldStarted, {}, "hold-started"),
    (licensing.Recovered, {}, "recovered"),
    (licensing.Expired, {}, "expired"),
    (licensing.Expired, {"reason": "canceled"}, "expired"),
    (licensing.Expired, {"reason": "refunded"}, "expired"),
    (licensing.PeriodStarted, {}, None),
]


@pytest.mark.parametrize(("message", "data", "kind"), TRIGGERS)
def test_each_event_asks_for_its_mail(
    message: type[Data], data: dict[str, Any], kind: MailKind | None
) -> None:
    requested = event(message, **data)
    state, said = tell([CREATED, SCHEDULED, requested])
    assert steps(said) == ([f"mail-requested {kind}"] if kind else [])
    assert [one.requested_by for one in state.notices] == ([requested.id] if kind else [])


@pytest.mark.parametrize(("message", "data", "kind"), TRIGGERS)
def test_the_same_event_again_says_nothing(
    message: type[Data], data: dict[str, Any], kind: MailKind | None
) -> None:
    state, _ = tell([CREATED, SCHEDULED, event(message, **data)])
    again, said = tell([event(message, "told again under another id", **data)], state)
    assert said == []
    assert again == state


#: What makes a second notice of the same kind.
ANOTHER: list[tuple[type[Data], dict[str, Any], dict[str, Any]]] = [
    (billing.PaymentSucceeded, {}, {"order_id": "order-9"}),
    (billing.PaymentFailed, {}, {"attempt": 2}),
    (billing.RenewalReminderDue, {}, {"end": T0 + 2 * YEAR}),
    (billing.CancellationScheduled, {}, {"cancellation_id": named("second cancellation")}),
    (billing.CancellationDateChanged, {}, {"fact_id": named("another fact")}),
    (billing.RefundRequested, {}, {"case_id": named("second case")}),
    (billing.RefundFailed, {"refund_id": named("first")}, {"refund_id": named("second")}),
    (licensing.GraceStarted, {}, {"effective_at": T0 + YEAR}),
    (licensing.Expired, {}, {"effective_at": T0 + YEAR}),
]


@pytest.mark.parametrize(("message", "first", "second"), ANOTHER)
def test_another_natural_key_is_another_mail(
    message: type[Data], first: dict[str, Any], second: dict[str, Any]
) -> None:
    state, said = tell([CREATED, SCHEDULED, event(message, **first), event(message, **second)])
    assert [step.split()[0] for step in steps(said)] == ["mail-requested"] * 2
    assert len({one.notice_id for one in state.notices}) == 2


def test_a_notice_id_follows_from_its_key() -> None:
    state, said = tell([CREATED, SCHEDULED, PAID])
    assert state.notices[0].notice_id == notice_id(SUBSCRIPTION, "order-confirmation", "order-1")
    assert said[0].data.notice_id == state.notices[0].notice_id  # type: ignore[attr-defined]


def test_a_reminder_tells_billing_what_it_proves() -> None:
    _, said = tell([CREATED, REMINDER])
    data: Any = said[0].data
    assert (data.renews, data.end, data.requested_by) == (PERIOD, T0 + YEAR, REMINDER.id)


def test_free_text_never_reaches_a_letter() -> None:
    canceled = event(billing.CancellationScheduled, reason="visit evil.example")
    failed = event(billing.PaymentFailed, reason="visit evil.example")
    state, _ = tell([CREATED, canceled, failed])
    assert all("reason" not in notice.params for notice in state.notices)


def test_outgoing_ids_follow_from_the_cause() -> None:
    _, first = tell([CREATED, SCHEDULED, PAID])
    _, second = tell([CREATED, SCHEDULED, PAID])
    assert [one.id for one in first] == [one.id for one in second]
    assert isinstance(first[0].id, UUID)
    assert first[0].time - T0 == timedelta(0)
