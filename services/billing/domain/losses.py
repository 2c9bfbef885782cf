"""Verdicts about money that is gone without our asking: lost disputes, refunds that settled after all."""

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from contracts.envelope import effect_id
from services.billing.domain import facts
from services.billing.domain.fold_refunds import effect_of
from services.billing.domain.standing import Standing


def losses(known: Standing) -> Iterator[facts.MoneyLost]:
    """One verdict for each loss whose order is known, with its effect as judged at that time (Q16, T22)."""
    for fact in known.subscription.facts:
        if isinstance(fact, facts.DisputeLost) and fact.fact_id not in known.losses:
            yield from _loss(known, fact, fact.at, dispute_id=fact.dispute_id)
    for case in known.cases.values():
        settled = case.settled
        if case.failed and settled and settled.fact_id not in known.losses:
            yield from _loss(known, settled, case.requested_at, case_id=case.case_id)


def _loss(
    known: Standing,
    told: facts.DisputeLost | facts.RefundSettled,
    requested_at: datetime,
    *,
    dispute_id: str | None = None,
    case_id: UUID | None = None,
) -> Iterator[facts.MoneyLost]:
    period = known.period_of_order(told.order_id)
    if period is None:
        return
    at = max(told.at, period.paid_at)
    effect, reason = effect_of(known, period, requested_at, at)
    if period.is_away or period.taking_at(at) or (dispute_id and _repeats(known, dispute_id, at)):
        effect = "none"
    yield facts.MoneyLost(
        fact_id=effect_id(told.fact_id, "billing", "money-lost"),
        at=at,
        told_by=told.fact_id,
        order_id=told.order_id,
        effect=effect,
        reason="chargeback" if dispute_id else reason,
        before_start=effect == "upcoming_voided" and at < period.start,
        dispute_id=dispute_id,
        case_id=case_id,
    )


def _repeats(known: Standing, dispute_id: str, at: datetime) -> bool:
    """Whether this loss tells again what another one told: no win of the dispute lies between the two."""
    wins = [
        fact.at
        for fact in known.disputes[dispute_id].decisions
        if isinstance(fact, facts.DisputeWon)
    ]
    return any(
        loss.dispute_id == dispute_id
        and loss.effect != "none"
        and not any(min(loss.at, at) < win <= max(loss.at, at) for win in wins)
        for loss in known.losses.values()
    )
