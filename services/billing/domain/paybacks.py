"""Refunds that need no review: of payments that bought nothing, of the period after a refunded one (Q12),

and those that the provider made by itself (Q10).
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from contracts.envelope import effect_id
from ledger.history import PaidPeriod
from services.billing.domain import facts
from services.billing.domain.fold_refunds import effect_of
from services.billing.domain.refund_window import refund_until
from services.billing.domain.standing import Case, Standing

#: Refusals after which the money goes back at once.
PAID_BACK = (
    "ORDER_ALREADY_PAID",
    "RENEWAL_ALREADY_PAID",
    "SUBSCRIPTION_ENDED",
    "AMOUNT_MISMATCH",
    "PERIOD_MISMATCH",
)


def approval(
    known: Standing, case: Case, period: PaidPeriod, fact_id: UUID, at: datetime
) -> facts.CaseApproved:
    """The verdict that initiates a full refund, with its effect as judged at `at` (Q10)."""
    effect, reason = effect_of(known, period, case.requested_at, at)
    return facts.CaseApproved(
        fact_id=fact_id,
        at=at,
        case_id=case.case_id,
        order_id=case.order_id,
        amount=case.amount,
        requested_at=case.requested_at,
        refund_id=effect_id(fact_id, "billing", "refund"),
        effect=effect,
        reason=reason,
        before_start=effect == "upcoming_voided" and at < period.start,
    )


def paybacks(known: Standing, cause_id: UUID, now: datetime) -> Iterator[facts.AnyFact]:
    """The verdicts that are due by rule, without an operator."""
    for paid in known.subscription.facts:
        if isinstance(paid, facts.Paid) and known.refused.get(paid.fact_id) in PAID_BACK:
            yield from _of_refused(known, paid, cause_id, now)
    for settled in known.unasked:
        period = known.period_of_order(settled.order_id)
        if period:
            yield _by_provider(known, settled, period)
    for revoked_at, requested_at in _revocations(known):
        for period in known.history.counting:
            if period.paid_at <= revoked_at < period.start:
                yield from _of_next(known, requested_at, period, cause_id, now)


def _revocations(known: Standing) -> Iterator[tuple[datetime, datetime]]:
    """When a current period was revoked, and when that was asked for."""
    for case in tuple(known.cases.values()):
        if case.approved and case.approved.effect == "current_revoked" and not case.failed:
            yield case.approved.at, case.approved.requested_at
    for loss in known.losses.values():
        if loss.effect == "current_revoked" and loss.fact_id not in known.given_back:
            yield loss.at, loss.at


def _of_refused(
    known: Standing, paid: facts.Paid, cause_id: UUID, now: datetime
) -> Iterator[facts.AnyFact]:
    """Money of a success that buys nothing goes back at once."""
    case_id = uuid5(known.subscription.subscription_id, f"refused\n{paid.fact_id}")
    if case_id in known.cases:
        return
    fact_id = effect_id(cause_id, "billing", f"paid-back:{paid.fact_id}")
    yield facts.CaseApproved(
        fact_id=fact_id,
        at=now,
        case_id=case_id,
        order_id=paid.order_id,
        amount=paid.amount,
        requested_at=now,
        refund_id=effect_id(fact_id, "billing", "refund"),
        effect="none",
        refused_payment=paid.fact_id,
    )


def _by_provider(
    known: Standing, settled: facts.RefundSettled, period: PaidPeriod
) -> facts.CaseApproved:
    """A refund without a request of ours was decided by the provider, and had its effect then (Q10)."""
    subscription_id = known.subscription.subscription_id
    requested_at = settled.requested_at or settled.at
    case = known.case_of_order(settled.order_id)
    if case is None or case.approved:
        again = f"\n{settled.fact_id}" if case else ""
        case_id = uuid5(subscription_id, f"refund\n{settled.order_id}{again}")
        case = Case(case_id, settled.order_id, settled.amount, requested_at)
    fact_id = effect_id(settled.fact_id, "billing", "by-provider")
    at = max(settled.at, period.paid_at)
    back = period.taken.reinstated_at if period.taken else None
    if back and at <= back:  # at one instant it would count before what gives the period back
        at = back + timedelta.resolution
    approved = replace(approval(known, case, period, fact_id, at), refund_id=settled.fact_id)
    if settled.full and not period.is_away:
        return approved
    return replace(approved, effect="none", before_start=False)


def _of_next(
    known: Standing,
    requested_at: datetime,
    period: PaidPeriod,
    cause_id: UUID,
    now: datetime,
) -> Iterator[facts.AnyFact]:
    """What takes the current period takes a paid later one too, outside its window by an operator (Q12)."""
    case, until = known.case_of_order(period.order_id), refund_until(known, period)
    disputed = any(
        dispute.is_open and dispute.order_id == period.order_id
        for dispute in known.disputes.values()
    )
    if case is None:
        opened = facts.CaseOpened(
            fact_id=effect_id(cause_id, "billing", f"opened:{period.order_id}"),
            at=now,
            case_id=uuid5(known.subscription.subscription_id, f"refund\n{period.order_id}"),
            order_id=period.order_id,
            amount=period.amount,
            requested_at=requested_at,
            review=disputed or until is None or requested_at >= until,
        )
        yield opened
    elif case.waits and not disputed and until is not None and case.requested_at < until:
        fact_id = effect_id(cause_id, "billing", f"approved:{period.order_id}")
        yield approval(known, case, period, fact_id, now)
