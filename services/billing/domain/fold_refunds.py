"""How refunds count: cases, what they take away, and what a failed one gives back."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from contracts.billing import RefundEffect
from ledger.history import PaidPeriod, Taken
from services.billing.domain import facts
from services.billing.domain.fold_takings import give_back, take
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
            if fact.refused_payment is None:
                taken = Taken(fact.fact_id, fact.at, fact.reason, fact.before_start)
                take(result, fact.order_id, taken, fact.effect)
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


def _fail(result: Standing, case: Case, fact: facts.RefundFailed) -> None:
    """A refund that failed gives back what it took (Q11), unless the bank has the money meanwhile."""
    if case.settled:
        return
    case.failed = fact
    give_back(result, case.order_id, fact.at, fact.fact_id)


def effect_of(
    known: Standing, period: PaidPeriod, requested_at: datetime, at: datetime
) -> tuple[RefundEffect, Literal["refunded", "refunded_renewal"]]:
    """What a full refund at `at` does to a period, judged by the time of the request (S-47, S-48, Q9, Q10)."""
    if period.end is not None and at >= period.end:
        stage = known.stage(at)
        latest = stage and stage.period.period_id == period.period_id
        followed = any(other.start >= period.end for other in known.history.counting)
        if not stage or not latest or followed or stage.status not in ("grace", "hold", "paused"):
            return "none", "refunded"
    if requested_at < period.start:
        return "upcoming_voided", "refunded_renewal"
    return "current_revoked", "refunded"
