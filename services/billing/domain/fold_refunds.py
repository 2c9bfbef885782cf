"""How refunds count: cases, what they take away, and what a failed one gives back."""

from datetime import datetime
from uuid import uuid5

from contracts.billing import RefundEffect
from ledger.history import PaidPeriod, Taken, Will
from services.billing.domain import facts
from services.billing.domain.standing import Case, Standing


def count_refund(result: Standing, fact: facts.AnyFact) -> None:
    """One step of a refund case: opened, declined, approved, settled or failed."""
    match fact:
        case facts.CaseOpened():
            result.cases[fact.case_id] = Case(
                fact.case_id, fact.order_id, fact.amount, fact.requested_at, opened=fact
            )
        case facts.CaseDeclined():
            case = result.cases.setdefault(
                fact.case_id, Case(fact.case_id, fact.order_id, fact.amount, fact.requested_at)
            )
            case.declined = fact
        case facts.CaseApproved():
            case = result.cases.setdefault(
                fact.case_id, Case(fact.case_id, fact.order_id, fact.amount, fact.requested_at)
            )
            case.approved = fact
            _take(result, fact, fact.effect, fact.reason)
        case facts.RefundSettled():
            _settled(result, fact)
        case facts.RefundFailed():
            _refund_failed(result, fact)


def _settled(result: Standing, fact: facts.RefundSettled) -> None:
    case = result.case_of_refund(fact.refund_id)
    if case is None:
        period = result.period_of_order(fact.order_id)
        if period is None:
            return
        case = result.case_of_order(fact.order_id)
        if case is None or case.approved is None:
            case = case or _provider_case(result, fact)
            effect, reason = effect_of(result, period, fact.requested_at or fact.at, fact.at)
            case.approved = facts.CaseApproved(
                fact_id=fact.fact_id,
                at=fact.at,
                case_id=case.case_id,
                order_id=fact.order_id,
                amount=fact.amount,
                requested_at=fact.requested_at or fact.at,
                refund_id=fact.fact_id,
                effect=effect if fact.full else "none",
                reason="refunded_renewal" if reason == "refunded_renewal" else "refunded",
            )
            result.cases[case.case_id] = case
            _take(result, case.approved, case.approved.effect, case.approved.reason)
    if case.settled is None:
        case.settled = fact


def _provider_case(result: Standing, fact: facts.RefundSettled) -> Case:
    """The case of a refund that the provider made by itself (Q10)."""
    case_id = uuid5(result.subscription.subscription_id, f"refund\n{fact.order_id}")
    return Case(case_id, fact.order_id, fact.amount, fact.requested_at or fact.at)


def _take(result: Standing, fact: facts.CaseApproved, effect: RefundEffect, reason: str) -> None:
    """A full refund of the current or an upcoming period takes it away and ends automatic renewal (Q9)."""
    period = result.period_of_order(fact.order_id)
    if effect == "none" or period is None or fact.refused_payment:
        return
    taken = Taken.model_validate(
        {
            "fact_id": fact.fact_id,
            "at": fact.at,
            "reason": reason,
            "upcoming": effect == "upcoming_voided" and fact.at < period.start,
        }
    )
    result.set_period(period.model_copy(update={"taken": taken}))
    if result.history.auto_renew:
        result.add_will(Will(fact_id=fact.fact_id, at=fact.at, auto_renew=False, reason="refunded"))


def _refund_failed(result: Standing, fact: facts.RefundFailed) -> None:
    case = result.case_of_refund(fact.refund_id)
    if case is None or case.settled:
        return
    case.failed = fact
    period = result.period_of_order(case.order_id)
    if period and period.taken and case.approved and not case.approved.refused_payment:
        back = period.taken.model_copy(update={"reinstated_at": fact.at})
        result.set_period(period.model_copy(update={"taken": back}))


def effect_of(
    result: Standing, period: PaidPeriod, requested_at: datetime, at: datetime
) -> tuple[RefundEffect, str]:
    """What a full refund does to a period, judged by the time of the request (S-47, S-48, Q9, Q10)."""
    if requested_at < period.start:
        return "upcoming_voided", "refunded_renewal"
    if period.end is None or at < period.end:
        return "current_revoked", "refunded"
    stage = result.stage(at)
    latest = stage and stage.period.period_id == period.period_id
    if latest and stage and stage.status in ("grace", "hold"):
        return "current_revoked", "refunded"
    return "none", "refunded"
