"""The facts that paid time follows from: paid periods, what refunds took away, the customer's will."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Literal
from uuid import UUID

from contracts.base import Frozen
from contracts.billing import Basis
from contracts.policy import ProviderPolicy
from contracts.values import Instant, Money, PaymentKind, Plan
from ledger.calendar import end_of

#: The policy version that is stamped on a fact.
PolicyOf = Callable[[str], ProviderPolicy]


class Taken(Frozen):
    """A refund or chargeback took a period away at `at`; `reinstated_at`: the money stayed after all (Q11)."""

    fact_id: UUID
    at: Instant
    reason: Literal["refunded", "refunded_renewal", "chargeback"]
    upcoming: bool
    reinstated_at: Instant | None = None

    def holds_at(self, instant: datetime) -> bool:
        """Whether the period is away at the instant."""
        return self.at <= instant and (self.reinstated_at is None or instant < self.reinstated_at)


class PaidPeriod(Frozen):
    """A period that one payment bought, `[start, end)`; without end it is unlimited."""

    fact_id: UUID
    period_id: UUID
    order_id: str
    kind: PaymentKind
    ordinal: int
    amount: Money
    plan: Plan
    ordered_at: Instant
    paid_at: Instant
    start: Instant
    end: Instant | None = None
    basis: Basis
    policy_version: str
    #: First instant of the unbroken chain of periods, which calendar steps count from.
    anchor: Instant
    #: How many terms after the anchor this period ends.
    step: int
    taken: Taken | None = None

    @property
    def begins(self) -> datetime:
        """When it entitles: a period paid during grace starts at the old end but counts from its payment."""
        return max(self.start, self.paid_at)

    def counts_at(self, instant: datetime) -> bool:
        """Whether no refund or chargeback has it away at the instant."""
        return self.taken is None or not self.taken.holds_at(instant)

    def covers(self, instant: datetime) -> bool:
        """Whether it entitles at the instant."""
        return (
            self.begins <= instant
            and (self.end is None or instant < self.end)
            and self.counts_at(instant)
        )


class Will(Frozen):
    """From `at` on, automatic renewal is on or off, and why."""

    fact_id: UUID
    at: Instant
    auto_renew: bool
    reason: Literal["ordered", "canceled", "withdrawn", "refunded"]


class History(Frozen):
    """All facts of one subscription that its timeline follows from, each list in canonical order."""

    periods: tuple[PaidPeriod, ...] = ()
    wills: tuple[Will, ...] = ()
    #: Periods whose renewal charge was requested or failed; decides `payment_failed` or `lapsed` (Q8).
    charged: frozenset[UUID] = frozenset()

    @property
    def effective_wills(self) -> tuple[Will, ...]:
        """The changes of will that changed anything: switching off what is off counts for nothing."""
        found: list[Will] = []
        for will in self.wills:
            if will.reason == "ordered" or not found or found[-1].auto_renew != will.auto_renew:
                found.append(will)
        return tuple(found)

    def will_before(self, instant: datetime) -> Will | None:
        """The will in force just before the instant: at exactly an end, the end comes first (Q2)."""
        return next((w for w in reversed(self.effective_wills) if w.at < instant), None)

    @property
    def auto_renew(self) -> bool:
        """Whether automatic renewal is on after all facts."""
        return bool(self.wills) and self.effective_wills[-1].auto_renew

    @property
    def paid_through(self) -> datetime | None:
        """The end of the last period that is not taken away (Q22); None when open or nothing is paid."""
        last = last_of(self.counting)
        return last.end if last else None

    @property
    def counting(self) -> tuple[PaidPeriod, ...]:
        """The periods that count after all facts."""
        return tuple(p for p in self.periods if p.taken is None or p.taken.reinstated_at)


def last_of(periods: Iterable[PaidPeriod]) -> PaidPeriod | None:
    """The period that ends last; an open one ends after all others."""
    return max(
        periods, key=lambda p: (p.end is None, p.end or p.start, p.start, p.period_id), default=None
    )


class Bounds(Frozen):
    """Where a newly paid period lies, and what its successors count from."""

    start: Instant
    end: Instant | None
    basis: Basis
    anchor: Instant
    step: int


def bounds_from_end(previous: PaidPeriod, term: str, tz: str) -> Bounds:
    """The period after `previous`, from its end (S-14b). `previous` must be limited."""
    if previous.end is None:
        raise ValueError("an unlimited period has no successor")
    anchor, step = (
        (previous.anchor, previous.step + 1) if previous.plan.term == term else (previous.end, 1)
    )
    return Bounds(
        start=previous.end,
        end=end_of(anchor, term, step, tz),
        basis="from_end",
        anchor=anchor,
        step=step,
    )


def bounds_from(start: datetime, term: str, tz: str) -> Bounds:
    """A period that starts a new chain at `start` (T14, T27)."""
    return Bounds(
        start=start, end=end_of(start, term, 1, tz), basis="from_now", anchor=start, step=1
    )
