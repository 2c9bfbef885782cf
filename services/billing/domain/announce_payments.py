"""What billing says about orders, payments and the paid periods that they buy."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from contracts import billing
from contracts.base import Data
from ledger.history import PaidPeriod
from services.billing.domain import facts
from services.billing.domain.announce_orders import INCOMPLETE_EXPIRED, order_announcements
from services.billing.domain.announcement import Announcement
from services.billing.domain.refund_window import refund_until
from services.billing.domain.standing import Standing

#: A payment waits this long for its order before it is refused (Q6).
ORDER_UNKNOWN_AFTER = timedelta(hours=24)


def payment_announcements(known: Standing) -> Iterator[Announcement]:
    """Orders, the periods bought, payments accepted, refused, failed or still without their order."""
    yield from order_announcements(known)
    payments = {
        fact.fact_id: fact for fact in known.subscription.facts if isinstance(fact, facts.Paid)
    }
    for period in known.history.periods:
        paid = payments[period.fact_id]
        untrue = (f"unknown:{paid.fact_id}",)
        yield _scheduled(known, period)
        yield Announcement(
            f"paid:{paid.fact_id}",
            paid.at,
            partial(_succeeded, paid, period.period_id),
            corrects=untrue if period.ordinal > 1 else (*untrue, INCOMPLETE_EXPIRED),
        )
    for fact_id, code in known.refused.items():
        paid = payments[fact_id]
        yield Announcement(f"refused:{fact_id}", paid.at, partial(_refused, paid, code, paid.at))
    for fact in known.subscription.facts:
        if isinstance(fact, facts.Failed):
            yield _failure(fact, known.failed_period(fact))
    yield from waiting_announcements(known)


def waiting_announcements(known: Standing) -> Iterator[Announcement]:
    """Payments whose order did not come within a day are refused, but not forgotten (Q6)."""
    for paid in known.waiting:
        at = paid.received_at + ORDER_UNKNOWN_AFTER
        yield Announcement(
            f"unknown:{paid.fact_id}", at, partial(_refused, paid, "ORDER_UNKNOWN", at)
        )


def _scheduled(known: Standing, period: PaidPeriod) -> Announcement:
    end = period.end.isoformat() if period.end else "-"
    return Announcement(
        f"period:{period.period_id}",
        period.paid_at,
        partial(_period_scheduled, known, period),
        value=f"{period.ordinal} {period.start.isoformat()} {end}",
        correction=partial(_shifted, period),
    )


def _period_scheduled(known: Standing, period: PaidPeriod) -> tuple[Data, ...]:
    return (
        billing.PeriodScheduled(
            fact_id=period.fact_id,
            effective_at=period.paid_at,
            period_id=period.period_id,
            ordinal=period.ordinal,
            order_id=period.order_id,
            kind=period.kind,
            amount=period.amount,
            ordered_at=period.ordered_at,
            start=period.start,
            end=period.end,
            basis=period.basis,
            plan=period.plan,
            provider_id=known.subscription.provider_id,
            policy_version=period.policy_version,
            refund_until=refund_until(known, period),
        ),
    )


def _shifted(period: PaidPeriod, old: str, event_id: UUID) -> Data:
    ordinal, start, end = old.split(" ")
    return billing.PeriodShifted(
        fact_id=period.fact_id,
        effective_at=period.paid_at,
        corrects=(event_id,),
        period_id=period.period_id,
        old=billing.PeriodBounds(
            ordinal=int(ordinal),
            start=datetime.fromisoformat(start),
            end=datetime.fromisoformat(end) if end != "-" else None,
        ),
        new=billing.PeriodBounds(ordinal=period.ordinal, start=period.start, end=period.end),
        reason="reordered",
    )


def _succeeded(fact: facts.Paid, period_id: UUID) -> tuple[Data, ...]:
    return (
        billing.PaymentSucceeded(
            fact_id=fact.fact_id,
            effective_at=fact.at,
            order_id=fact.order_id,
            kind=fact.kind,
            amount=fact.amount,
            charge_id=fact.charge_id,
            period_id=period_id,
        ),
    )


def _refused(fact: facts.Paid, code: str, at: datetime) -> tuple[Data, ...]:
    return (
        billing.PaymentRefused(
            fact_id=fact.fact_id,
            effective_at=at,
            code=code,
            order_id=fact.order_id,
            amount=fact.amount,
        ),
    )


def _failure(fact: facts.Failed, renewed: UUID | None) -> Announcement:
    """A failed attempt; said again when a late fact shows that another period was to be renewed."""
    return Announcement(
        f"failed:{fact.fact_id}",
        fact.at,
        lambda: (_failed(fact, renewed),),
        value=str(renewed or ""),
        correction=lambda old, event_id: _failed(fact, renewed, corrects=(event_id,)),
    )


def _failed(
    fact: facts.Failed, renewed: UUID | None, corrects: tuple[UUID, ...] | None = None
) -> Data:
    return billing.PaymentFailed(
        fact_id=fact.fact_id,
        effective_at=fact.at,
        corrects=corrects,
        order_id=fact.order_id,
        kind=fact.kind,
        amount=fact.amount,
        charge_id=fact.charge_id,
        period_id=renewed,
        attempt=fact.attempt,
        hard_decline=fact.hard_decline,
        next_attempt_at=fact.next_attempt_at,
        reason=fact.reason,
    )
