"""The timeline: which status holds from when, as a pure function of the history and the stamped policies."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from ledger.endings import after_end, deadlines, ended_at
from ledger.history import History, PaidPeriod, PolicyOf
from ledger.running import running_stage
from ledger.shifts import behind_pauses
from ledger.stage import Stage, active_since


def timeline(history: History, policy_of: PolicyOf) -> tuple[Stage, ...]:
    """All stages in order, past and foreseen; empty while nothing was paid.

    Facts decide, not timers: asked earlier or later, or with the facts in another order of arrival,
    the answer is the same.
    """
    history = behind_pauses(history)
    laid = _laid(history)
    stages: list[Stage] = []
    for instant in sorted(set(_instants(history, policy_of))):
        stage = _stage_at(history, laid, policy_of, instant)
        if stage and (not stages or stages[-1].identity != stage.identity):
            stages.append(stage)
    return tuple(stages)


def stage_at(history: History, policy_of: PolicyOf, instant: datetime) -> Stage | None:
    """The stage that holds at an instant, None before anything entitles (T2, T8-T15, T18-T28).

    Grace and hold follow the version stamped on the period that ended (S-14d).
    """
    history = behind_pauses(history)
    return _stage_at(history, _laid(history), policy_of, instant)


def _laid(history: History) -> list[PaidPeriod]:
    """The periods in the order in which they begin; where two run, the later one lies over the other."""
    return sorted(history.periods[::-1], key=lambda p: p.begins)


def _stage_at(
    history: History, laid: Sequence[PaidPeriod], policy_of: PolicyOf, instant: datetime
) -> Stage | None:
    begun = bisect_right(laid, instant, key=lambda p: p.begins)
    top = next((i for i in reversed(range(begun)) if laid[i].covers(instant)), None)
    if top is not None:
        period, over = laid[top], laid[top + 1 : begun]
        stage = running_stage(history, policy_of(period.policy_version), period, instant)
        # It counts again since those that lay over it have ended.
        ends = [at for p in over if (at := ended_at(p, instant))]
        return replace(stage, start=max([stage.start, *ends]))
    ended = max(
        (
            (at, period.start, period.period_id, period)
            for period in laid[:begun]
            if (at := ended_at(period, instant))
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
