"""The timeline: which status holds from when, as a pure function of the history and the stamped policies."""

from collections.abc import Iterator
from datetime import datetime

from ledger.endings import after_end, deadlines, ended_at
from ledger.history import History, PaidPeriod, PolicyOf
from ledger.running import running_stage
from ledger.stage import Stage, active_since


def timeline(history: History, policy_of: PolicyOf) -> tuple[Stage, ...]:
    """All stages in order, past and foreseen; empty while nothing was paid.

    Facts decide, not timers: asked earlier or later, or with the facts in another order of arrival,
    the answer is the same.
    """
    stages: list[Stage] = []
    for instant in sorted(set(_instants(history, policy_of))):
        stage = stage_at(history, policy_of, instant)
        if stage and (not stages or stages[-1].identity != stage.identity):
            stages.append(stage)
    return tuple(stages)


def stage_at(history: History, policy_of: PolicyOf, instant: datetime) -> Stage | None:
    """The stage that holds at an instant, None before anything entitles (T2, T8-T15, T18-T28).

    Grace and hold follow the version stamped on the period that ended (S-14d).
    """
    waiting = _behind_pause(history, instant)
    running = [p for p in history.periods if p.covers(instant) and p not in waiting]
    if running:
        period = max(running, key=lambda p: p.begins)
        return running_stage(history, policy_of(period.policy_version), period, instant)
    ended = max(
        (
            (at, period.start, period.period_id, period)
            for period in history.periods
            if period not in waiting and (at := ended_at(period, instant))
        ),
        default=None,
    )
    if ended is None:
        return None
    at, _, _, period = ended
    taken = period.taking_at(instant)
    if taken and at != period.end:
        # Taken again before it was given back, it was away without a break.
        return Stage("expired", max(at, active_since(period, instant)), period, None, taken.reason)
    return after_end(history, policy_of(period.policy_version), period, instant)


def _behind_pause(history: History, instant: datetime) -> list[PaidPeriod]:
    """What begins where a pause at the end of a period does: it waits for the end of that, told so or not."""
    span = history.pause_at(instant)
    if span is None or span.pause.follows is None:
        return []
    return [p for p in history.periods if p.start >= span.start]


def _instants(history: History, policy_of: PolicyOf) -> Iterator[datetime]:
    """Every instant at which the status can change."""
    yield from (will.at for will in history.wills)
    for dispute in history.disputes:
        yield from (at for at in (dispute.at, dispute.closed_at) if at)
    for period in history.periods:
        policy = policy_of(period.policy_version)
        yield period.begins
        for taken in period.takings:
            yield from (at for at in (taken.at, taken.reinstated_at) if at)
        due = deadlines(history, policy, period)
        if due:
            yield from (due.paid_end, due.end, due.gap_end, due.grace_end, due.hold_end)
        for span in history.pause_spans():
            yield from (span.start, span.start + policy.pause_grace, span.end)
