"""The facts that paid time follows from: periods, what took them away, will, charges, pauses, disputes."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, Protocol, TypeVar
from uuid import UUID

from contracts.billing import Basis
from contracts.policy import ProviderPolicy
from contracts.values import Instant, Money, PaymentKind, Plan
from ledger.open_money import Asked, Dispute
from ledger.pauses import Pause, PauseSpan
from ledger.seats import SeatChange

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
    #: By how much pauses and goodwill moved its end; the next one then counts from that end.
    shift: timedelta = timedelta(0)
    taken: Taken | None = None
    #: What took it away before and was reinstated, oldest first.
    taken_before: tuple[Taken, ...] = ()

    @property
    def is_away(self) -> bool:
        """Whether it was taken away and not given back, after all facts."""
        return self.taken is not None and self.taken.reinstated_at is None

    @property
    def takings(self) -> tuple[Taken, ...]:
        """Everything that ever took it away, oldest first."""
        return (*self.taken_before, self.taken) if self.taken else ()

    def taking_at(self, instant: datetime) -> Taken | None:
        """What has it away at the instant."""
        holding = (taken for taken in self.takings if taken.holds_at(instant))
        return min(holding, key=lambda taken: taken.at, default=None)

    def take(self, taken: Taken) -> "PaidPeriod":
        """The period taken away, once more when it was reinstated; the same taking replaces itself."""
        last = self.taken
        again = last is not None and last.reinstated_at and last.fact_id != taken.fact_id
        before = (*self.taken_before, last) if last and again else self.taken_before
        return replace(self, taken=taken, taken_before=before)

    @property
    def begins(self) -> datetime:
        """When it entitles: a period paid during grace starts at the old end but counts from its payment."""
        return max(self.start, self.paid_at)

    def counts_at(self, instant: datetime) -> bool:
        """Whether no refund or chargeback has it away at the instant."""
        return self.taking_at(instant) is None

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

    @property
    def ends(self) -> bool:
        """Whether it switched renewal off: by a cancellation, or by a refund (S-46)."""
        return not self.auto_renew and self.reason != "ordered"


#: Changes of will at one instant count in this order (Q2).
_RANK = {"ordered": 0, "canceled": 1, "withdrawn": 2, "refunded": 3}


@dataclass(frozen=True, slots=True)
class History:
    """All facts of one subscription that its timeline follows from, each list in canonical order."""

    periods: tuple[PaidPeriod, ...] = ()
    wills: tuple[Will, ...] = ()
    #: By the fact that told it: the period after which money was asked for, or an attempt failed.
    charged: tuple[tuple[UUID, UUID], ...] = ()
    asked: tuple[Asked, ...] = ()
    pauses: tuple[Pause, ...] = ()
    disputes: tuple[Dispute, ...] = ()
    seat_changes: tuple[SeatChange, ...] = ()

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

    def without_will(self, fact_id: UUID) -> "History":
        """The history in which that change of will never was."""
        return replace(self, wills=tuple(will for will in self.wills if will.fact_id != fact_id))

    def with_charged(self, fact_id: UUID, renews: UUID) -> "History":
        """The history in which money was asked for after this period; a fact tells it of one only."""
        others = (told for told in self.charged if told[0] != fact_id)
        return replace(self, charged=tuple(sorted((*others, (fact_id, renews)))))

    def with_asked(self, asked: Asked) -> "History":
        """The history with a charge, or with another one in place of the one with its fact_id."""
        return replace(self, asked=_with(self.asked, asked))

    def with_pause(self, pause: Pause) -> "History":
        """The history with a pause, or with another one in place of the one with its fact_id."""
        return replace(self, pauses=_with(self.pauses, pause))

    def with_dispute(self, dispute: Dispute) -> "History":
        """The history with a dispute, or with another one in place of the one with its dispute_id."""
        others = (d for d in self.disputes if d.dispute_id != dispute.dispute_id)
        disputes = sorted((*others, dispute), key=lambda d: (d.at, d.dispute_id))
        return replace(self, disputes=tuple(disputes))

    def with_seat_change(self, change: SeatChange) -> "History":
        """The history with a change of seats, or with another one in place of the one with its fact_id."""
        return replace(self, seat_changes=_with(self.seat_changes, change))

    def pause_spans(self) -> tuple[PauseSpan, ...]:
        """Where the pauses lie; one that would end before it begins never is."""
        found = []
        for pause in self.pauses:
            followed = next((p for p in self.periods if p.period_id == pause.follows), None)
            start = followed.end if followed and followed.end else pause.at
            if start < pause.end:
                found.append(PauseSpan(pause, start, pause.end))
        return tuple(found)

    def pause_at(self, instant: datetime) -> PauseSpan | None:
        """The pause that covers the instant."""
        return next((span for span in self.pause_spans() if span.covers(instant)), None)

    def renewal_point(self, period: PaidPeriod) -> datetime | None:
        """When the next period has to follow: the end, or where a pause that begins there ends (Q17)."""
        for span in self.pause_spans():
            if span.pause.follows == period.period_id:
                return span.end
        return period.end

    def seats_at(self, period: PaidPeriod, instant: datetime) -> int:
        """The seats of a period at an instant: as paid, or as changed since (Q25)."""
        change = self.seat_change_at(period, instant)
        return change.seats if change else period.plan.seats

    def seat_change_at(self, period: PaidPeriod, instant: datetime) -> SeatChange | None:
        """The change of seats since the period was paid that counts at the instant (Q25).

        A change drops the earlier ones that would only take effect when it has done so already.
        """
        since: datetime | None = None
        for change in reversed(self.seat_changes):
            if since and change.effective_at >= since:
                continue
            since = change.effective_at
            if change.at > period.paid_at and change.effective_at <= instant:
                return change
        return None

    @property
    def renewal_pending(self) -> bool:
        """Whether a charge that was asked for is unanswered after all facts (Q7)."""
        return any(asked.closed_at is None for asked in self.asked)

    def was_charged(self, renews: UUID) -> bool:
        """Whether money was asked for after this period: `payment_failed` or `lapsed` (Q8)."""
        return any(period_id == renews for _, period_id in self.charged)

    @property
    def effective_wills(self) -> tuple[Will, ...]:
        """The changes of will that count, from the order on.

        Switching off what is off counts for nothing, except that a cancellation says more than a refund.
        Only a cancellation can be withdrawn, and not past a refund: so both commute (invariant 11).
        """
        found: list[Will] = []
        refunded = False
        for will in self.wills:
            before = found[-1] if found else None
            if will.reason == "ordered":
                refunded, counts = False, True
            elif before is None:
                counts = False
            elif will.reason == "withdrawn":
                counts = before.reason == "canceled" and not refunded
            else:
                refunded = refunded or will.reason == "refunded"
                counts = before.auto_renew or (before.reason, will.reason) == (
                    "refunded", "canceled",
                )  # fmt: skip
            if counts:
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
        return tuple(p for p in self.periods if not p.is_away)


class _Told(Protocol):
    """What one fact told."""

    @property
    def fact_id(self) -> UUID: ...

    @property
    def at(self) -> datetime: ...


Known = TypeVar("Known", bound=_Told)


def _with(known: tuple[Known, ...], new: Known) -> tuple[Known, ...]:
    others = [one for one in known if one.fact_id != new.fact_id]
    return tuple(sorted([*others, new], key=lambda one: (one.at, one.fact_id)))


def last_of(periods: Iterable[PaidPeriod]) -> PaidPeriod | None:
    """The period that ends last; an open one ends after all others."""
    return max(
        periods, key=lambda p: (p.end is None, p.end or p.start, p.start, p.period_id), default=None
    )
