"""What billing says about refund cases (S-44 to S-48)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from contracts import billing, payments
from contracts.base import Data
from ledger.calendar import end_of_business_day
from ledger.history import PaidPeriod
from services.billing.domain import facts
from services.billing.domain.announce_takings import ending_announcement
from services.billing.domain.announcement import Announcement
from services.billing.domain.fold_refunds import effect_of
from services.billing.domain.standing import Case, Standing

#: Business days within which the money is credited (S-45).
CREDITED_WITHIN_DAYS = 7


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

    @property
    def expected_credit_by(self) -> datetime | None:
        """When the money should be back: the end of the seventh business day (S-45)."""
        approved, paid = self.case.approved, self._paid
        if approved is None or paid is None:
            return None
        policy = self.known.policy(paid.policy_version)
        return end_of_business_day(
            approved.at, CREDITED_WITHIN_DAYS, policy.holiday_dates, policy.refund_tz
        )

    @property
    def _paid(self) -> PaidPeriod | facts.Paid | None:
        """What is paid back, with the policy version stamped on it."""
        approved = self.case.approved
        if self.period or approved is None:
            return self.period
        told = (f for f in self.known.subscription.facts if isinstance(f, facts.Paid))
        return next((paid for paid in told if paid.fact_id == approved.refused_payment), None)


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
            for taken in period.takings if period else ():
                if period and taken.fact_id == approved.fact_id:
                    yield ending_announcement(known, period, taken)
            yield from _end(telling, approved)


def _end(telling: _Telling, approved: facts.CaseApproved) -> Iterator[Announcement]:
    """How an initiated refund ends: the money went back, did not, or nobody knows in time (S-45)."""
    case, due = telling.case, telling.expected_credit_by
    overdue, failure = f"refund-overdue:{case.case_id}", f"refund-failed:{case.case_id}"
    if case.failed:
        yield Announcement(
            failure, case.failed.at, partial(_failed, telling, approved, case.failed)
        )
    if case.settled:
        at = max(case.settled.at, approved.at)
        untrue = [] if case.failed else [failure]
        if due and at < due:
            untrue.append(overdue)
        yield Announcement(
            f"settled:{case.case_id}",
            at,
            partial(_settled, telling, approved, case.settled, at),
            corrects=tuple(untrue),
        )
    ends = [fact.at for fact in (case.failed, case.settled) if fact]
    if due and min(ends, default=due) >= due:
        yield Announcement(overdue, due, partial(_overdue, telling, approved, due))


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
    case = telling.case
    refund: dict[str, object] = {
        "refund_id": approved.refund_id,
        "effect": approved.effect,
        "expected_credit_by": telling.expected_credit_by,
        "access_until": _access_until(telling, approved),
    }
    messages: list[Data] = []
    if case.opened:
        messages.append(telling.event(billing.RefundApproved, approved, approved.at, **refund))
    initiated = telling.event(billing.RefundInitiated, approved, approved.at, **refund)
    messages.append(initiated)
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
    return (event,)


def _overdue(telling: _Telling, approved: facts.CaseApproved, due: datetime) -> tuple[Data, ...]:
    event = telling.event(
        billing.RefundOverdue,
        approved,
        due,
        refund_id=approved.refund_id,
        effect=approved.effect,
        expected_credit_by=due,
    )
    return (event,)
