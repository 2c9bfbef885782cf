"""The timeline: which status holds from when, as a pure function of the history and the stamped policies."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from contracts.licensing import ExpiryReason
from contracts.policy import ProviderPolicy
from ledger.history import History, PaidPeriod, PolicyOf

Status = Literal["active", "grace", "hold", "expired"]


@dataclass(frozen=True, slots=True)
class Stage:
    """A status from `start` until the next stage; `ends_at` is when it ends if nothing happens.

    `period` is the period that runs, or the one that ended. `reason` is set when expired.
    """

    status: Status
    start: datetime
    period: PaidPeriod
    ends_at: datetime | None
    reason: ExpiryReason | None = None

    @property
    def identity(self) -> tuple[Status, UUID, datetime, ExpiryReason | None]:
        """What makes two stages the same."""
        return (self.status, self.period.period_id, self.start, self.reason)


def timeline(history: History, policy_of: PolicyOf) -> tuple[Stage, ...]:
    """All stages in order, past and foreseen; empty while nothing was paid.

    Facts decide, not timers: asked earlier or later, or with the facts in another order of arrival,
    the answer is the same.
    """
    stages: list[Stage] = []
    for instant in _instants(history, policy_of):
        stage = stage_at(history, policy_of, instant)
        if stage and (not stages or stages[-1].identity != stage.identity):
            stages.append(stage)
    return tuple(stages)


def stage_at(history: History, policy_of: PolicyOf, instant: datetime) -> Stage | None:
    """The stage that holds at an instant, None before anything entitles (T2, T8-T15, T18-T21)."""
    running = [period for period in history.periods if period.covers(instant)]
    if running:
        period = max(running, key=lambda p: p.begins)
        return Stage("active", _active_since(period, instant), period, period.end)
    ended = max(
        (
            (ended_at, period.start, period.period_id, period)
            for period in history.periods
            if (ended_at := _ended_at(period, instant))
        ),
        default=None,
    )
    if ended is None:
        return None
    at, _, _, period = ended
    if period.taken and at != period.end:
        return Stage("expired", at, period, None, period.taken.reason)
    return _after_end(history, policy_of(period.policy_version), period, at, instant)


def _ended_at(period: PaidPeriod, instant: datetime) -> datetime | None:
    """When a period that does not cover the instant ceased to; None when it never entitled before."""
    if instant < period.begins or not _ever_counted(period):
        return None
    taken = period.taken
    if taken and taken.holds_at(instant) and (period.end is None or taken.at < period.end):
        return taken.at
    return period.end


def _ever_counted(period: PaidPeriod) -> bool:
    """Whether the period entitled at any instant: not so when voided before it began, for good."""
    taken = period.taken
    if taken is None or not taken.upcoming or taken.at > period.begins:
        return True
    back = taken.reinstated_at
    return back is not None and (period.end is None or back < period.end)


def _after_end(
    history: History, policy: ProviderPolicy, ended: PaidPeriod, end: datetime, instant: datetime
) -> Stage:
    """The stage at an instant after the unrenewed end of a period (Q8, Q9, Q15)."""
    if _voided_successor(history, end):
        return Stage("expired", end, ended, None, "refunded_renewal")
    will = history.will_before(end)
    if will and will.reason == "canceled":
        return Stage("expired", end, ended, None, "canceled")
    grace_end = end + policy.grace
    hold_end = grace_end + policy.hold
    stops = (
        *_cancellations(history, policy, end, grace_end, hold_end),
        *_refund_after_end(ended, end, hold_end, instant),
    )
    stop = min(stops, default=None)
    if stop and stop[0] <= instant:
        return Stage("expired", stop[0], ended, None, stop[1])
    since = _active_since(ended, instant)
    if instant < grace_end:
        return Stage("grace", max(end, since), ended, grace_end)
    if instant < hold_end:
        return Stage("hold", max(grace_end, since), ended, hold_end)
    reason: ExpiryReason = "payment_failed" if history.was_charged(ended.period_id) else "lapsed"
    return Stage("expired", hold_end, ended, None, reason)


def _cancellations(
    history: History,
    policy: ProviderPolicy,
    end: datetime,
    grace_end: datetime,
    hold_end: datetime,
) -> Iterator[tuple[datetime, ExpiryReason]]:
    """When cancellations in grace or hold cut it short, unless withdrawn before (Q15)."""
    wills = history.effective_wills
    for position, will in enumerate(wills):
        if will.reason == "canceled" and end <= will.at < hold_end:
            at = will.at if policy.cancel_in_grace == "end_now" else max(will.at, grace_end)
            if not any(w.reason == "withdrawn" and w.at < at for w in wills[position + 1 :]):
                yield at, "canceled"


def _refund_after_end(
    ended: PaidPeriod, end: datetime, hold_end: datetime, instant: datetime
) -> Iterator[tuple[datetime, ExpiryReason]]:
    """A refund of the latest period in grace or hold cuts it short, for as long as it does not fail (Q9)."""
    taken = ended.taken
    if taken and end <= taken.at < hold_end:
        back = taken.reinstated_at
        if taken.holds_at(instant) or (back and back >= hold_end):
            yield taken.at, taken.reason


def _voided_successor(history: History, end: datetime) -> bool:
    return any(p.start >= end and p.taken and p.taken.holds_at(end) for p in history.periods)


def _active_since(period: PaidPeriod, instant: datetime) -> datetime:
    """When the running stretch of a period began: its begin, or its reinstatement."""
    taken = period.taken
    if taken and taken.reinstated_at and taken.reinstated_at <= instant:
        return max(period.begins, taken.reinstated_at)
    return period.begins


def _instants(history: History, policy_of: PolicyOf) -> list[datetime]:
    """Every instant at which the status can change, in order."""
    instants: set[datetime] = {will.at for will in history.wills}
    for period in history.periods:
        instants.add(period.begins)
        if period.taken:
            instants.add(period.taken.at)
            if period.taken.reinstated_at:
                instants.add(period.taken.reinstated_at)
        if period.end:
            policy = policy_of(period.policy_version)
            grace_end = period.end + policy.grace
            instants.update((period.end, grace_end, grace_end + policy.hold))
    return sorted(instants)
