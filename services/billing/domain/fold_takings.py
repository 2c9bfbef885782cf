"""How a paid period is taken away, given back, and what moves up behind one that will not start."""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from contracts.billing import RefundEffect
from ledger.bounds import Bounds, bounds_from, bounds_from_end, overlap
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


def give_back(result: Standing, order_id: str, at: datetime, by: UUID) -> None:
    """What an order bought counts again from `at` when its money is ours again (Q11, Q16): the refund

    that took it failed or the dispute was won, and nobody else has the money. It follows whatever was
    paid meanwhile.
    """
    period = result.period_of_order(order_id)
    if period is None or period.taken is None or not period.is_away:
        return
    if not _is_undone(result, period.taken.fact_id):
        return
    if _is_lost(result, order_id) or _is_paid_back(result, period):
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


def _is_lost(result: Standing, order_id: str) -> bool:
    """Whether the bank has the money, as far as it was judged what that takes."""
    return any(
        loss.order_id == order_id and loss.dispute_id and result.disputes[loss.dispute_id].is_lost
        for loss in result.losses.values()
    )


def _is_paid_back(result: Standing, period: PaidPeriod) -> bool:
    """Whether a refund of the whole price is on its way to the customer, or went through."""
    return any(
        case.order_id == period.order_id
        and case.approved is not None
        and case.approved.refused_payment is None
        and case.amount.minor >= period.amount.minor
        and (case.settled is not None or case.failed is None)
        for case in result.cases.values()
    )


def _is_undone(result: Standing, taken_by: UUID) -> bool:
    """Whether the refund that took a period failed, or it was a dispute: of those none is lost any more."""
    for case in result.cases.values():
        if case.approved and case.approved.fact_id == taken_by:
            return case.failed is not None and case.settled is None
    return any(loss.fact_id == taken_by and loss.dispute_id for loss in result.losses.values())


def _move_up(result: Standing, voided: PaidPeriod, at: datetime) -> None:
    """What was to follow begins where the voided period would have, or now when that is over.

    Several open periods may begin at one end. Bounds that upstream gave stay as they are.
    """
    start, follows = max(voided.start, at), result.history.renewal_point(voided)
    later = [period for period in result.history.counting if period.start > voided.start]
    for period in sorted(later, key=lambda p: (p.start, p.end is not None)):
        if period.start != follows or period.basis == "given":
            return
        after = result.history.renewal_point(period)
        bounds = _bounds_at(result, period, start)
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
        if bounds.end:
            start, follows = bounds.end, after


def _bounds_at(result: Standing, period: PaidPeriod, start: datetime) -> Bounds:
    """The bounds of a period that now starts at `start`, after what ends there, if anything does."""
    tz = result.billing_tz(period.order_id)
    before = last_of(p for p in result.history.counting if p.end and p.start < start)
    if before and result.history.renewal_point(before) == start:
        return bounds_from_end(result.history, before, period.plan.term, tz)
    return bounds_from(start, period.plan.term, tz)
