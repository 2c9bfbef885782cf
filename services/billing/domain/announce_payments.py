"""What billing says about orders, payments and the paid periods that they buy."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from contracts import billing
from contracts.base import Data
from services.billing.domain import facts
from services.billing.domain.announce_orders import INCOMPLETE_EXPIRED, order_announcements
from services.billing.domain.announce_periods import period_announcements
from services.billing.domain.announcement import Announcement
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
        yield from period_announcements(known, period)
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
            yield _failure(fact, known.failures.get(fact.fact_id))
    yield from waiting_announcements(known)


def waiting_announcements(known: Standing) -> Iterator[Announcement]:
    """Payments whose order did not come within a day are refused, but not forgotten (Q6)."""
    for paid in known.waiting:
        at = paid.received_at + ORDER_UNKNOWN_AFTER
        yield Announcement(
            f"unknown:{paid.fact_id}", at, partial(_refused, paid, "ORDER_UNKNOWN", at)
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
