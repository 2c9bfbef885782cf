"""What billing says about orders: the subscription they create, and that one was never paid (T1, T3)."""

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from uuid import UUID

from contracts import billing
from contracts.base import Data
from ledger.history import PaidPeriod
from services.billing.domain import facts
from services.billing.domain.announcement import Announcement
from services.billing.domain.standing import Standing

INCOMPLETE_EXPIRED = "incomplete-expired"


def order_announcements(known: Standing) -> Iterator[Announcement]:
    """The first order comes before all else; a later one is told when it is paid, and counts from then."""
    first = known.first_order
    if first is None:
        return
    yield Announcement(
        "created",
        min(first.at, known.subscription.facts[0].at),
        lambda: (_created(known, first, first.fact_id, first.at),),
        value=first.order_id,
        correction=lambda old, event_id: _created(
            known, first, first.fact_id, first.at, corrects=(event_id,)
        ),
    )
    for period in known.history.periods:
        order = known.orders.get(period.order_id)
        if order and order is not first and period.kind == "initial":
            yield Announcement(
                f"ordered:{period.period_id}",
                period.paid_at,
                partial(_reordered, known, order, period),
            )
    if not known.history.periods:
        at = first.at + known.policy(first.policy_version).incomplete_ttl
        yield Announcement(INCOMPLETE_EXPIRED, at, partial(_incomplete_expired, first, at))


def _reordered(known: Standing, order: facts.Ordered, period: PaidPeriod) -> tuple[Data, ...]:
    return (_created(known, order, period.fact_id, period.paid_at),)


def _created(
    known: Standing,
    order: facts.Ordered,
    fact_id: UUID,
    effective_at: datetime,
    corrects: tuple[UUID, ...] | None = None,
) -> Data:
    return billing.SubscriptionCreated(
        fact_id=fact_id,
        effective_at=effective_at,
        corrects=corrects,
        provider_id=known.subscription.provider_id,
        reference=known.subscription.reference,
        customer_id=order.customer_id,
        plan=order.plan,
        amount=order.amount,
        auto_renew=order.auto_renew,
        billing_tz=order.billing_tz,
        policy_version=order.policy_version,
    )


def _incomplete_expired(order: facts.Ordered, at: datetime) -> tuple[Data, ...]:
    return (billing.SubscriptionIncompleteExpired(fact_id=order.fact_id, effective_at=at),)
