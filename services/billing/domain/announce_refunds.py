"""What billing says about refund cases (S-44 to S-48)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from contracts import billing, payments
from contracts.base import Data
from ledger.history import PaidPeriod
from services.billing.domain import facts
from services.billing.domain.announcement import Announcement
from services.billing.domain.fold_refunds import effect_of
from services.billing.domain.standing import Case, Standing

#: Five to seven business days until the money is credited (S-45); the calendar comes with the alert.
CREDITED_WITHIN = timedelta(days=9)


@dataclass(frozen=True, slots=True)
class _Telling:
    """A case with the period that its order bought, if any."""

    known: Standing
    case: Case
    period: PaidPeriod | None

    def event(
        self, kind: type[billing.RefundEvent], fact: facts.Fact, at: datetime, **more: object
    ) -> billing.RefundEvent:
        """One step of the case as an event."""
        case, period = self.case, self.period
        return kind.model_validate(
            {
                "fact_id": fact.fact_id,
                "effective_at": at,
                "case_id": case.case_id,
                "order_id": case.order_id,
                "amount": case.amount,
                "full": period is None or case.amount == period.amount,
                "requested_at": case.requested_at,
                "period_id": period.period_id if period else None,
                **more,
            }
        )

    def ending(
        self, kind: type[billing.PeriodEnding], fact: facts.Fact, period: PaidPeriod, reason: str
    ) -> billing.PeriodEnding:
        """What the refund, or its failure, does to the period."""
        return kind.model_validate(
            {
                "fact_id": fact.fact_id,
                "effective_at": fact.at,
                "period_id": period.period_id,
                "ordinal": period.ordinal,
                "order_id": period.order_id,
                "start": period.start,
                "end": period.end,
                "requested_at": self.case.requested_at,
                "reason": reason,
                "case_id": self.case.case_id,
                "auto_renew": False,
            }
        )


def refund_announcements(known: Standing) -> Iterator[Announcement]:
    """Every step of every case: requested, under review, decided, initiated, settled or failed."""
    for case in known.cases.values():
        approved = case.approved
        refused = approved is not None and approved.refused_payment is not None
        period = None if refused else known.period_of_order(case.order_id)
        telling = _Telling(known, case, period)
        if case.opened:
            yield Announcement(
                f"case:{case.case_id}", case.opened.at, partial(_opened, telling, case.opened)
            )
        if case.declined:
            yield Announcement(
                f"declined:{case.case_id}",
                case.declined.at,
                partial(_declined, telling, case.declined),
            )
        if approved:
            yield Announcement(
                f"approved:{case.case_id}", approved.at, partial(_approved, telling, approved)
            )
            if case.settled:
                at = max(case.settled.at, approved.at)
                yield Announcement(
                    f"settled:{case.case_id}",
                    at,
                    partial(_settled, telling, approved, case.settled, at),
                )
            if case.failed:
                yield Announcement(
                    f"refund-failed:{case.case_id}",
                    case.failed.at,
                    partial(_failed, telling, approved, case.failed),
                )


def _opened(telling: _Telling, opened: facts.CaseOpened) -> tuple[Data, ...]:
    requested = telling.event(billing.RefundRequested, opened, opened.at)
    if not opened.review:
        return (requested,)
    effect = "none"
    if telling.period:
        case = telling.case
        effect, _ = effect_of(telling.known, telling.period, case.requested_at, opened.at)
    review = telling.event(billing.RefundUnderReview, opened, opened.at, effect=effect)
    return (requested, review)


def _declined(telling: _Telling, declined: facts.CaseDeclined) -> tuple[Data, ...]:
    return (telling.event(billing.RefundDeclined, declined, declined.at, code=declined.code),)


def _approved(telling: _Telling, approved: facts.CaseApproved) -> tuple[Data, ...]:
    """Approve, initiate and ask for the money back happen at one instant (Q10)."""
    case, period = telling.case, telling.period
    refund: dict[str, object] = {
        "refund_id": approved.refund_id,
        "effect": approved.effect,
        "expected_credit_by": approved.at + CREDITED_WITHIN,
        "access_until": _access_until(telling, approved),
    }
    messages: list[Data] = []
    if case.opened:
        messages.append(telling.event(billing.RefundApproved, approved, approved.at, **refund))
    initiated = telling.event(billing.RefundInitiated, approved, approved.at, **refund)
    messages.append(initiated)
    if approved.effect != "none" and period:
        ending = billing.PeriodVoided if approved.before_start else billing.PeriodRevoked
        messages.append(telling.ending(ending, approved, period, approved.reason))
    by_provider = case.settled is not None and case.settled.fact_id == approved.refund_id
    if not by_provider:
        messages.append(
            payments.RefundRequested(
                refund_id=approved.refund_id,
                case_id=case.case_id,
                order_id=case.order_id,
                amount=case.amount,
                full=initiated.full,
                requested_at=case.requested_at,
            )
        )
    return tuple(messages)


def _access_until(telling: _Telling, approved: facts.CaseApproved) -> datetime | None:
    """Until when the customer has access after the refund; None when it changes nothing."""
    period = telling.period
    if period is None or approved.effect == "none":
        return None
    if not approved.before_start:
        return approved.at
    return telling.known.history.paid_through


def _settled(
    telling: _Telling, approved: facts.CaseApproved, settled: facts.RefundSettled, at: datetime
) -> tuple[Data, ...]:
    event = telling.event(
        billing.RefundSettled, settled, at, refund_id=approved.refund_id, effect=approved.effect
    )
    return (event,)


def _failed(
    telling: _Telling, approved: facts.CaseApproved, failed: facts.RefundFailed
) -> tuple[Data, ...]:
    event = telling.event(
        billing.RefundFailed,
        failed,
        failed.at,
        refund_id=approved.refund_id,
        effect=approved.effect,
    )
    period = telling.period
    if period is None or period.taken is None:
        return (event,)
    return (event, telling.ending(billing.PeriodReinstated, failed, period, approved.reason))
