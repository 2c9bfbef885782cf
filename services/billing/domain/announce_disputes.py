"""What billing says about disputes (T22, Q16)."""

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from uuid import UUID

from contracts import billing
from contracts.base import Data
from ledger.history import PaidPeriod
from services.billing.domain import facts
from services.billing.domain.announcement import Announcement
from services.billing.domain.disputes import DisputeFact
from services.billing.domain.standing import Standing

_EVENTS: dict[type[DisputeFact], type[billing.DisputeEvent]] = {
    facts.DisputeOpened: billing.DisputeOpened,
    facts.DisputeWon: billing.DisputeWon,
    facts.DisputeLost: billing.DisputeLost,
}


def dispute_announcements(known: Standing) -> Iterator[Announcement]:
    """Every step of every dispute about a payment that is known; the others wait for theirs."""
    judged = {
        fact.order_id
        for fact in known.subscription.facts
        if isinstance(fact, facts.Paid)
        and (fact.fact_id in known.bought or fact.fact_id in known.refused)
    }
    for dispute in known.disputes.values():
        if dispute.order_id not in judged:
            continue
        period = known.period_of_order(dispute.order_id)
        if dispute.opened:
            yield _step(dispute.opened, period, f"dispute-opened:{dispute.dispute_id}")
        for decision in dispute.decisions:
            yield _step(decision, period, f"dispute-decided:{decision.fact_id}")


def _step(step: DisputeFact, period: PaidPeriod | None, key: str) -> Announcement:
    """One step; said again when it turns out to have happened earlier."""
    at = max(step.at, period.paid_at) if period else step.at
    told = partial(_told, step, at, period.period_id if period else None)
    return Announcement(
        key,
        at,
        lambda: (told(None),),
        value=at.isoformat(),
        correction=lambda _, event_id: told((event_id,)),
    )


def _told(
    step: DisputeFact, at: datetime, period_id: UUID | None, corrects: tuple[UUID, ...] | None
) -> Data:
    return _EVENTS[type(step)](
        fact_id=step.fact_id,
        effective_at=at,
        corrects=corrects,
        dispute_id=step.dispute_id,
        order_id=step.order_id,
        amount=step.amount,
        period_id=period_id,
    )
