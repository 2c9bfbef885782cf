"""Folding one decoded message into the record of its subscription. No clock, no I/O."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from contracts import billing, licensing, notifications, payments
from contracts.base import Data
from contracts.envelope import Envelope
from contracts.values import subscription_id
from ops.watch.record import At, Charge, Entitled, Period, Record, Unconfirmed
from ops.watch.sequences import Sequence

Fold = Callable[[Record, Any, Envelope, At], None]


def subject_of(message: Envelope) -> UUID | None:
    """The subscription that a message of ours is about; None for others."""
    if isinstance(message.data, payments.ChargeRequested | payments.ChargeWithdrawn):
        return message.data.subscription_id
    if isinstance(message.data, payments.RefundRequested):
        return subscription_id(message.providerid, message.subject)
    try:
        return UUID(message.subject)
    except ValueError:
        return None


def fold(record: Record, message: Envelope, topic: str, at: At) -> bool:
    """Take what was told on `topic` into the record; False for a repetition, which says nothing new."""
    number = message.sequence
    if number is not None:
        sequence = record.sequences.get(topic)
        if sequence is None:
            record.sequences[topic] = Sequence(number, number)
        elif not sequence.see(number, message.id, at.heard_ms):
            return False
    record.provider_id = record.provider_id or message.providerid
    take = _FOLDS.get(type(message.data))
    if take:
        take(record, message.data, message, at)
    return True


def _moved(record: Record, message: Envelope, at: At) -> None:
    record.moved_ms = at.heard_ms
    clock = message.recordedat or message.time
    record.billing_clock = max(record.billing_clock or clock, clock)


def _scheduled(record: Record, data: billing.PeriodScheduled, message: Envelope, at: At) -> None:
    _moved(record, message, at)
    if data.period_id not in record.periods:
        period = Period(message.id, at.told_ms, data.effective_at, data.start, data.end)
        record.periods[data.period_id] = period


def _shifted(record: Record, data: billing.PeriodShifted, message: Envelope, at: At) -> None:
    _moved(record, message, at)
    if period := record.periods.get(data.period_id):
        period.start, period.end = data.new.start, data.new.end


def _taken(record: Record, data: billing.PeriodEnding, message: Envelope, at: At) -> None:
    _moved(record, message, at)
    if period := record.periods.get(data.period_id):
        period.gone_at, period.back_at, period.gone_by = data.effective_at, None, message.id


def _given_back(record: Record, data: billing.PeriodReinstated, message: Envelope, at: At) -> None:
    _moved(record, message, at)
    if period := record.periods.get(data.period_id):
        period.back_at = data.effective_at


def _held(record: Record, data: Any, message: Envelope, at: At) -> None:
    _moved(record, message, at)
    record.holds.add(_hold(data))


def _released(record: Record, data: Any, message: Envelope, at: At) -> None:
    _moved(record, message, at)
    record.holds.discard(_hold(data))


def _hold(data: Any) -> str:
    pause = isinstance(data, billing.PauseEvent)
    return f"pause {data.pause_id}" if pause else f"dispute {data.dispute_id}"


def _paid(record: Record, data: billing.PaymentSucceeded, message: Envelope, at: At) -> None:
    if data.kind == "initial" and message.id not in record.confirmed:
        record.unconfirmed[message.id] = Unconfirmed(data.order_id, at)
    charge = record.charges.get(data.charge_id) if data.charge_id else None
    if charge:
        charge.payments.append(message.id)
        charge.heard_ms = at.heard_ms


def _failed(record: Record, data: billing.PaymentFailed, message: Envelope, at: At) -> None:
    if data.charge_id and (data.hard_decline or data.next_attempt_at is None):
        _close(record, data.charge_id)


def _asked(record: Record, data: billing.RenewalChargeRequested, message: Envelope, at: At) -> None:
    record.charges.setdefault(
        data.charge_id, Charge(message.id, data.renews, at.heard_ms, data.effective_at)
    )


def _withdrawn(
    record: Record, data: billing.RenewalChargeWithdrawn, message: Envelope, at: At
) -> None:
    _close(record, data.charge_id)


def _close(record: Record, charge_id: UUID) -> None:
    if charge := record.charges.get(charge_id):
        charge.closed = True


def _waived(record: Record, data: billing.ReminderWaived, message: Envelope, at: At) -> None:
    record.waived.add(data.renews)


def _refund_opened(record: Record, data: billing.RefundEvent, _: Envelope, at: At) -> None:
    record.refunds_open.add(data.case_id)


def _refund_closed(record: Record, data: billing.RefundEvent, message: Envelope, at: At) -> None:
    record.refunds_open.discard(data.case_id)


def _entitled(record: Record, data: licensing.EntitlementEvent, message: Envelope, at: At) -> None:
    record.moved_ms = at.heard_ms
    known = record.entitled
    if known is None or known.sequence <= (message.sequence or 0):
        record.entitled = Entitled(
            message.id, data.state, data.as_of, message.sequence or 0, data.paid_through
        )


def _mailed(record: Record, data: notifications.MailEvent, message: Envelope, at: At) -> None:
    if data.kind == "order-confirmation":
        record.unconfirmed.pop(data.requested_by, None)
        record.confirmed.add(data.requested_by)
    accepted = isinstance(data, notifications.MailAccepted)
    if accepted and data.kind == "renewal-reminder" and data.renews:
        earlier = record.reminded.get(data.renews, data.at)
        record.reminded[data.renews] = min(earlier, data.at)


_FOLDS: dict[type[Data], Fold] = {
    billing.PeriodScheduled: _scheduled,
    billing.PeriodShifted: _shifted,
    billing.PeriodVoided: _taken,
    billing.PeriodRevoked: _taken,
    billing.PeriodReinstated: _given_back,
    billing.PauseScheduled: _held,
    billing.PauseStarted: _held,
    billing.PauseEnded: _released,
    billing.DisputeOpened: _held,
    billing.DisputeWon: _released,
    billing.DisputeLost: _released,
    billing.PaymentSucceeded: _paid,
    billing.PaymentFailed: _failed,
    billing.RenewalChargeRequested: _asked,
    billing.RenewalChargeWithdrawn: _withdrawn,
    billing.ReminderWaived: _waived,
    billing.RefundRequested: _refund_opened,
    billing.RefundDeclined: _refund_closed,
    billing.RefundSettled: _refund_closed,
    billing.RefundFailed: _refund_closed,
    **dict.fromkeys(
        (
            licensing.EntitlementGranted,
            licensing.EntitlementExtended,
            licensing.EntitlementLimited,
            licensing.EntitlementSuspended,
            licensing.EntitlementRestored,
            licensing.EntitlementEnded,
        ),
        _entitled,
    ),
    **dict.fromkeys(
        (
            notifications.MailAccepted,
            notifications.MailRefused,
            notifications.MailSuppressed,
            notifications.MailRetracted,
            notifications.MailUnknown,
        ),
        _mailed,
    ),
}
