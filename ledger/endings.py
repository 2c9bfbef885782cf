"""What follows the end of a period that is not renewed: pause, grace, hold, expiry (Q7 to Q9, Q15, Q17)."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from contracts.licensing import ExpiryReason
from contracts.policy import ProviderPolicy
from ledger.history import History, PaidPeriod
from ledger.running import held_by_disputes, running_stage
from ledger.stage import Stage, active_since

#: How long access is kept past the end while a charge is unanswered and no grace is offered (Q7).
GAP_AT_MOST = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Deadlines:
    """The instants after the end of a period: `end` is when the next one had to follow."""

    paid_end: datetime
    end: datetime
    gap_end: datetime
    grace_end: datetime
    hold_end: datetime


def deadlines(history: History, policy: ProviderPolicy, period: PaidPeriod) -> Deadlines | None:
    """The deadlines of a limited period, counted from its end, not from a failed payment (S-14a); None when open."""
    end = history.renewal_point(period)
    if end is None or period.end is None:
        return None
    grace_end = end + policy.grace
    gap_end = end if policy.grace else _gap_end(history, period, end)
    return Deadlines(period.end, end, gap_end, grace_end, grace_end + policy.hold)


def ended_at(period: PaidPeriod, instant: datetime) -> datetime | None:
    """When a period that does not cover the instant ceased to; None when it never entitled before."""
    if instant < period.begins or not _ever_counted(period):
        return None
    taken = period.taking_at(instant)
    if taken and (period.end is None or taken.at < period.end):
        return taken.at
    return period.end


def after_end(
    history: History, policy: ProviderPolicy, ended: PaidPeriod, instant: datetime
) -> Stage:
    """The stage at an instant after the unrenewed end of a period (S-14). Raises ValueError when it is open.

    Given back by a refund that failed so late that nothing is left, it counts from then. A dispute of
    its money takes the place of grace as long as it is open; hold and expiry come when they are due.
    """
    due = deadlines(history, policy, ended)
    if due is None:
        raise ValueError("an open period does not end")
    stage = _after_end(history, policy, ended, due, instant)
    if stage.status == "grace":  # neither gives a dispute access back by ending with its period
        stage = held_by_disputes(history, policy, stage, instant)
    return replace(stage, start=max(stage.start, active_since(ended, instant)))


def _after_end(
    history: History,
    policy: ProviderPolicy,
    ended: PaidPeriod,
    due: Deadlines,
    instant: datetime,
) -> Stage:
    stop = min(_stops(history, policy, ended, due, instant), default=None)
    if stop and stop[0] <= instant and stop[0] < due.end:
        return Stage("expired", stop[0], ended, None, stop[1])
    if instant < due.end:
        return _pause_at_end(policy, ended, due, instant)
    reason = _reason_at_end(history, due.end)
    if reason:
        return Stage("expired", due.end, ended, None, reason)
    if stop and stop[0] <= instant:
        return Stage("expired", stop[0], ended, None, stop[1])
    if instant < due.gap_end:  # as if it still ran
        stage = running_stage(history, policy, ended, instant)
        return replace(stage, ends_at=due.gap_end)
    return _unpaid(history, ended, due, instant)


def _unpaid(history: History, ended: PaidPeriod, due: Deadlines, instant: datetime) -> Stage:
    """Grace, hold, and at last expired."""
    since = active_since(ended, instant)
    if instant < due.grace_end:
        running = history.pause_at(instant)
        if running:  # grace is not usable while paused
            start = max(running.start, due.end, since)
            return Stage("paused", start, ended, min(running.end, due.grace_end))
        resumed = [span.end for span in history.pause_spans() if span.end <= instant]
        return Stage("grace", max([due.end, since, *resumed]), ended, due.grace_end)
    kept = due.end if due.gap_end > due.end else None
    if instant < due.hold_end:
        start = max(due.grace_end, due.gap_end, since)
        return Stage("hold", start, ended, due.hold_end, since=kept)
    reason: ExpiryReason = "payment_failed" if history.was_charged(ended.period_id) else "lapsed"
    start = max(due.hold_end, due.gap_end)
    return Stage(
        "expired", start, ended, None, reason, since=kept if start == due.gap_end else None
    )


def _pause_at_end(
    policy: ProviderPolicy, ended: PaidPeriod, due: Deadlines, instant: datetime
) -> Stage:
    """The pause that began where the period ended wins over what else happens at an end (Q17)."""
    usable_until = due.paid_end + policy.pause_grace
    if instant < usable_until:
        return Stage("paused", due.paid_end, ended, min(usable_until, due.end), usable=True)
    return Stage("paused", max(due.paid_end, usable_until), ended, due.end)


def _reason_at_end(history: History, end: datetime) -> ExpiryReason | None:
    """Why nothing follows at the end itself: a refunded renewal, or renewal switched off before (Q8, S-14c)."""
    if any(p.start >= end and p.taking_at(end) for p in history.periods):
        return "refunded_renewal"
    will = history.will_before(end)
    return "canceled" if will and will.ends else None


def _stops(
    history: History,
    policy: ProviderPolicy,
    ended: PaidPeriod,
    due: Deadlines,
    instant: datetime,
) -> Iterator[tuple[datetime, ExpiryReason]]:
    yield from _cancellations(history, policy, due)
    yield from _refund_after_end(ended, due, instant)


def _cancellations(
    history: History, policy: ProviderPolicy, due: Deadlines
) -> Iterator[tuple[datetime, ExpiryReason]]:
    """When cancellations after the end cut it short, unless withdrawn before (Q15)."""
    at_once = policy.cancel_in_grace == "end_now"
    wills = history.effective_wills
    for position, will in enumerate(wills):
        if will.reason == "canceled" and due.paid_end <= will.at < max(due.hold_end, due.end):
            if will.at < due.end and (not at_once or _followed(history, due.end, will.at)):
                continue  # it counts at the end of the pause, or of what is paid behind it
            at = will.at if at_once else max(will.at, due.grace_end)
            if not any(w.reason == "withdrawn" and w.at < at for w in wills[position + 1 :]):
                yield at, "canceled"


def _followed(history: History, end: datetime, instant: datetime) -> bool:
    """Whether a period that begins at the end or later was paid before the instant, and counts then."""
    return any(
        p.start >= end and p.paid_at <= instant and p.counts_at(instant) for p in history.periods
    )


def _refund_after_end(
    ended: PaidPeriod, due: Deadlines, instant: datetime
) -> Iterator[tuple[datetime, ExpiryReason]]:
    """A refund of the latest period in pause, grace or hold cuts it short, unless it fails (Q9, S-14e)."""
    for taken in ended.takings:
        if due.paid_end <= taken.at < due.hold_end:
            back = taken.reinstated_at
            if taken.holds_at(instant) or (back and back >= due.hold_end):
                yield taken.at, taken.reason


def _gap_end(history: History, period: PaidPeriod, end: datetime) -> datetime:
    """Until when access is kept for the answer to a charge that was open at the end."""
    waits = [
        min(asked.closed_at or end + GAP_AT_MOST, end + GAP_AT_MOST)
        for asked in history.asked
        if asked.renews == period.period_id and asked.at < end and asked.open_at(end)
    ]
    return max(waits, default=end)


def _ever_counted(period: PaidPeriod) -> bool:
    """Whether the period entitled at any instant: not so when voided before it began, for good."""
    first = next(iter(period.takings), None)
    if first is None or not first.upcoming or first.at > period.begins:
        return True
    backs = [taken.reinstated_at for taken in period.takings if taken.reinstated_at]
    return any(period.covers(max(back, period.begins)) for back in backs)
