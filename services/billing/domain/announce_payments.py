"""What billing says about orders, payments and the paid periods that they buy."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from contracts import billing
from contracts.base import Data
from ledger.history import PaidPeriod
from services.billing.domain import facts
from services.billing.domain.announcement import Announcement
from services.billing.domain.refund_window import refund_until
from services.billing.domain.standing import Standing

#: A payment waits this long for its order before it is refused (Q6).
ORDER_UNKNOWN_AFTER = timedelta(hours=24)
INCOMPLETE_EXPIRED = "incomplete-expired"


def payment_announcements(known: Standing) -> Iterator[Announcement]:
    """Orders, the periods bought, payments accepted, refused, failed or still without their order."""
    yield from _orders(known)
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
            yield Announcement(f"failed:{fact.fact_id}", fact.at, partial(_failed, known, fact))
    yield from waiting_announcements(known)


def waiting_announcements(known: Standing) -> Iterator[Announcement]:
    """Payments whose order did not come within a day are refused, but not forgotten (Q6)."""
    for paid in known.waiting:
        at = paid.received_at + ORDER_UNKNOWN_AFTER
        yield Announcement(
            f"unknown:{paid.fact_id}", at, partial(_refused, paid, "ORDER_UNKNOWN", at)
        )


def _orders(known: Standing) -> Iterator[Announcement]:
    """The first order comes before all else; a later one is told when it is paid, and counts from then."""
    first = known.first_order
    if first is None:
        return
    created = partial(_created, known, first, first.fact_id, first.at)
    earliest = min(first.at, known.subscription.facts[0].at)
    yield Announcement(f"created:{first.order_id}", earliest, created)
    for period in known.history.periods:
        order = known.orders.get(period.order_id)
        if order and order is not first and period.kind == "initial":
            created = partial(_created, known, order, period.fact_id, period.paid_at)
            yield Announcement(f"ordered:{period.period_id}", period.paid_at, created)
    if not known.history.periods:
        at = first.at + known.policy(first.policy_version).incomplete_ttl
        yield Announcement(INCOMPLETE_EXPIRED, at, partial(_incomplete_expired, first, at))


def _created(
    known: Standing, order: facts.Ordered, fact_id: UUID, effective_at: datetime
) -> tuple[Data, ...]:
    return (
        billing.SubscriptionCreated(
            fact_id=fact_id,
            effective_at=effective_at,
            provider_id=known.subscription.provider_id,
            reference=known.subscription.reference,
            customer_id=order.customer_id,
            plan=order.plan,
            amount=order.amount,
            auto_renew=order.auto_renew,
            billing_tz=order.billing_tz,
            policy_version=order.policy_version,
        ),
    )


def _incomplete_expired(order: facts.Ordered, at: datetime) -> tuple[Data, ...]:
    return (billing.SubscriptionIncompleteExpired(fact_id=order.fact_id, effective_at=at),)


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


def _failed(known: Standing, fact: facts.Failed) -> tuple[Data, ...]:
    return (
        billing.PaymentFailed(
            fact_id=fact.fact_id,
            effective_at=fact.at,
            order_id=fact.order_id,
            kind=fact.kind,
            amount=fact.amount,
            charge_id=fact.charge_id,
            period_id=known.failed_period(fact),
            attempt=fact.attempt,
            hard_decline=fact.hard_decline,
            next_attempt_at=fact.next_attempt_at,
            reason=fact.reason,
        ),
    )
