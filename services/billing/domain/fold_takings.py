"""How a paid period is taken away, given back, and what moves up behind one that will not start."""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from contracts.billing import RefundEffect
from ledger.bounds import bounds_from, bounds_from_end, overlap
from ledger.history import PaidPeriod, Taken, Will, last_of
from services.billing.domain.standing import Standing


def take(result: Standing, order_id: str, taken: Taken, effect: RefundEffect) -> None:
    """Take away what an order bought, and end automatic renewal (Q9); what is away already stays so."""
    period = result.period_of_order(order_id)
    if effect == "none" or period is None or period.is_away:
        return
    result.set_period(period.take(taken))
    result.add_will(Will(taken.fact_id, taken.at, auto_renew=False, reason="refunded"))
    if effect == "upcoming_voided":
        _move_up(result, period, taken.at)


def give_back(result: Standing, period: PaidPeriod, at: datetime, by: UUID) -> None:
    """The period counts again from `at`, after whatever was paid meanwhile (Q11)."""
    if period.taken is None:
        return
    taken = replace(period.taken, reinstated_at=at)
    result.given_back[taken.fact_id] = by
    others = [p for p in result.history.counting if p.period_id != period.period_id]
    last = last_of(others)
    if last and last.end and any(overlap(period, p) for p in others):
        tz = result.billing_tz(period.order_id)
        bounds = bounds_from_end(result.history, last, period.plan.term, tz)
        period = replace(
            period, start=bounds.start, end=bounds.end, anchor=bounds.anchor, step=bounds.step
        )
    result.set_period(replace(period, taken=taken))


def _move_up(result: Standing, voided: PaidPeriod, at: datetime) -> None:
    """What was to follow begins where the voided period would have, or now when that is over.

    Bounds that upstream gave stay as they are.
    """
    start, follows = max(voided.start, at), result.history.renewal_point(voided)
    for period in [p for p in result.history.counting if p.start > voided.start]:
        if period.start != follows or period.basis == "given":
            return
        follows = result.history.renewal_point(period)
        tz = result.billing_tz(period.order_id)
        before = last_of(p for p in result.history.counting if p.start < start)
        if before and result.history.renewal_point(before) == start:
            bounds = bounds_from_end(result.history, before, period.plan.term, tz)
        else:
            bounds = bounds_from(start, period.plan.term, tz)
        result.set_period(
            replace(
                period,
                start=bounds.start,
                end=bounds.end,
                anchor=bounds.anchor,
                step=bounds.step,
                shift=timedelta(0),
            )
        )
        if bounds.end is None:
            return
        start = bounds.end
