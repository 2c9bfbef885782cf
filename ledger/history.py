"""The facts that paid time follows from: paid periods, what refunds took away, the customer's will."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal
from uuid import UUID

from contracts.billing import Basis
from contracts.policy import ProviderPolicy
from contracts.values import Instant, Money, PaymentKind, Plan
from ledger.calendar import end_of, possible_end

#: The policy version that is stamped on a fact.
PolicyOf = Callable[[str], ProviderPolicy]
WillReason = Literal["ordered", "canceled", "withdrawn", "refunded"]


@dataclass(frozen=True, slots=True)
class Taken:
    """A refund or chargeback took a period away at `at`; `reinstated_at`: the money stayed after all (Q11)."""

    fact_id: UUID
    at: Instant
    reason: Literal["refunded", "refunded_renewal", "chargeback"]
    #: Before the period began: it is voided, not revoked.
    upcoming: bool
    reinstated_at: Instant | None = None

    def holds_at(self, instant: datetime) -> bool:
        """Whether the period is away at the instant."""
        return self.at <= instant and (self.reinstated_at is None or instant < self.reinstated_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidPeriod:
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


@dataclass(frozen=True, slots=True)
class Will:
    """From `at` on, automatic renewal is on or off, and why."""

    fact_id: UUID
    at: Instant
    auto_renew: bool
    reason: WillReason


#: Changes of will at one instant count in this order (Q2).
_RANK = {"ordered": 0, "canceled": 1, "withdrawn": 2, "refunded": 3}


@dataclass(frozen=True, slots=True)
class History:
    """All facts of one subscription that its timeline follows from, each list in canonical order."""

    periods: tuple[PaidPeriod, ...] = ()
    wills: tuple[Will, ...] = ()
    #: Periods whose renewal charge was requested or failed; decides `payment_failed` or `lapsed` (Q8).
    charged: frozenset[UUID] = frozenset()

    def with_period(self, period: PaidPeriod) -> "History":
        """The history with one more period, or with another one in place of the one with its id."""
        others = (p for p in self.periods if p.period_id != period.period_id)
        periods = sorted((*others, period), key=lambda p: (p.start, p.paid_at, p.period_id))
        return replace(self, periods=tuple(periods))

    def with_will(self, will: Will) -> "History":
        """The history with one more change of will; one that it knows stays as it is."""
        if any(known.fact_id == will.fact_id for known in self.wills):
            return self
        wills = sorted((*self.wills, will), key=lambda w: (w.at, _RANK[w.reason], w.fact_id))
        return replace(self, wills=tuple(wills))

    def with_charged(self, renews: UUID) -> "History":
        """The history in which money was asked for after this period (Q8)."""
        return replace(self, charged=self.charged | {renews})

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


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where a newly paid period lies, and what its successors count from."""

    start: datetime
    end: datetime | None
    basis: Basis
    anchor: datetime
    step: int


def bounds_from_end(previous: PaidPeriod, term: str, tz: str) -> Bounds:
    """The period after `previous`, from its end (S-14b). `previous` must be limited."""
    if previous.end is None:
        raise ValueError("an unlimited period has no successor")
    anchor, step = (
        (previous.anchor, previous.step + 1) if previous.plan.term == term else (previous.end, 1)
    )
    return Bounds(previous.end, end_of(anchor, term, step, tz), "from_end", anchor, step)


def bounds_from(start: datetime, term: str, tz: str) -> Bounds:
    """A period that starts a new chain at `start` (T14, T27)."""
    return Bounds(start, end_of(start, term, 1, tz), "from_now", start, 1)


def bounds_given(start: datetime, end: datetime | None, term: str, tz: str) -> Bounds:
    """The period that upstream gave; its successors count from a given end that is not the term's (Q3)."""
    whole = end_of(start, term, 1, tz)
    if end is None or end == whole:
        return Bounds(start, whole, "given", start, 1)
    return Bounds(start, possible_end(end), "given", end, 0)


def overlap(one: Bounds | PaidPeriod, other: Bounds | PaidPeriod) -> bool:
    """Whether two spans of paid time share an instant."""
    return (other.end is None or one.start < other.end) and (
        one.end is None or other.start < one.end
    )
