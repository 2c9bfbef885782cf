"""How refunds count: cases, what they take away, and what a failed one gives back."""

from dataclasses import replace
from datetime import datetime
from typing import Literal
from uuid import UUID

from contracts.billing import RefundEffect
from ledger.bounds import bounds_from_end, overlap
from ledger.history import PaidPeriod, Taken, Will, last_of
from services.billing.domain import facts
from services.billing.domain.standing import Case, Standing


def count_refund(
    result: Standing, fact: facts.AnyFact, asked: dict[UUID, facts.CaseApproved]
) -> None:
    """One step of a refund case: opened, declined, approved, settled or failed.

    `asked`: every refund that was initiated, by refund_id.
    """
    match fact:
        case facts.CaseOpened():
            _case(result, fact).opened = fact
        case facts.CaseDeclined():
            _case(result, fact).declined = fact
        case facts.CaseApproved():
            _case(result, fact).approved = fact
            _take(result, fact)
        case facts.RefundSettled():
            initiated = asked.get(fact.refund_id or fact.fact_id) or asked.get(fact.fact_id)
            if initiated is None:
                result.unasked.append(fact)
                return
            case = _case(result, initiated)
            case.settled = case.settled or fact
        case facts.RefundFailed():
            initiated = asked.get(fact.refund_id)
            if initiated:
                _fail(result, _case(result, initiated), fact)


def _case(
    result: Standing, fact: facts.CaseOpened | facts.CaseDeclined | facts.CaseApproved
) -> Case:
    """The case that a verdict is about."""
    case = Case(fact.case_id, fact.order_id, fact.amount, fact.requested_at)
    return result.cases.setdefault(fact.case_id, case)


def _take(result: Standing, fact: facts.CaseApproved) -> None:
    """A full refund of the current or an upcoming period takes it away and ends automatic renewal (Q9)."""
    period = result.period_of_order(fact.order_id)
    if fact.effect == "none" or period is None or fact.refused_payment:
        return
    taken = Taken(fact.fact_id, fact.at, fact.reason, fact.before_start)
    result.set_period(replace(period, taken=taken))
    result.add_will(Will(fact.fact_id, fact.at, auto_renew=False, reason="refunded"))


def _fail(result: Standing, case: Case, fact: facts.RefundFailed) -> None:
    """A refund that failed gives back what it took, after whatever was paid meanwhile (Q11)."""
    if case.settled:
        return
    case.failed = fact
    period = result.period_of_order(case.order_id)
    taken = period.taken if period else None
    if period is None or taken is None or (case.approved and case.approved.refused_payment):
        return
    others = [p for p in result.history.counting if p.period_id != period.period_id]
    last = last_of(others)
    if last and last.end and any(overlap(period, p) for p in others):
        order = result.orders.get(period.order_id) or result.first_order
        tz = order.billing_tz if order else "UTC"
        bounds = bounds_from_end(result.history, last, period.plan.term, tz)
        period = replace(
            period, start=bounds.start, end=bounds.end, anchor=bounds.anchor, step=bounds.step
        )
    result.set_period(replace(period, taken=replace(taken, reinstated_at=fact.at)))


def effect_of(
    known: Standing, period: PaidPeriod, requested_at: datetime, at: datetime
) -> tuple[RefundEffect, Literal["refunded", "refunded_renewal"]]:
    """What a full refund at `at` does to a period, judged by the time of the request (S-47, S-48, Q9, Q10)."""
    if period.end is not None and at >= period.end:
        stage = known.stage(at)
        latest = stage and stage.period.period_id == period.period_id
        if not latest or not stage or stage.status not in ("grace", "hold"):
            return "none", "refunded"
    if requested_at < period.start:
        return "upcoming_voided", "refunded_renewal"
    return "current_revoked", "refunded"
