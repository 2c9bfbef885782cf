"""The timeline: which status holds from when, as a pure function of the history and the stamped policies."""

from collections.abc import Iterator
from datetime import datetime

from ledger.endings import after_end, deadlines, ended_at
from ledger.history import History, PaidPeriod, PolicyOf
from ledger.pauses import PauseSpan
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
    """The stage that holds at an instant, None before anything entitles (T2, T8-T15, T18-T28)."""
    running = [period for period in history.periods if period.covers(instant)]
    if running:
        return _running(history, policy_of, max(running, key=lambda p: p.begins), instant)
    ended = max(
        (
            (at, period.start, period.period_id, period)
            for period in history.periods
            if (at := ended_at(period, instant))
        ),
        default=None,
    )
    if ended is None:
        return None
    at, _, _, period = ended
    if period.taken and at != period.end:
        return Stage("expired", at, period, None, period.taken.reason)
    return after_end(history, policy_of(period.policy_version), period, instant)


def _running(history: History, policy_of: PolicyOf, period: PaidPeriod, instant: datetime) -> Stage:
    """The stage while a paid period runs: active, unless it pauses or its money is disputed."""
    policy = policy_of(period.policy_version)
    span = next((span for span in history.pause_spans() if span.covers(instant)), None)
    if span:
        return _paused(span, period, span.start + policy.pause_grace, instant)
    since = active_since(period, instant)
    disputes = [d for d in history.disputes if d.period_id == period.period_id]
    if policy.hold_on_dispute:
        held = next((d for d in disputes if d.open_at(instant)), None)
        if held:
            return Stage("hold", max(held.at, since), period, None)
        decided = [d.closed_at for d in disputes if d.closed_at and d.closed_at <= instant]
        since = max([since, *decided])
    resumed = [span.end for span in history.pause_spans() if span.end <= instant]
    return Stage("active", max([since, *resumed]), period, period.end)


def _paused(
    span: PauseSpan, period: PaidPeriod, usable_until: datetime, instant: datetime
) -> Stage:
    """A pause; everything stays usable for the first days where the provider offers that."""
    if instant < usable_until:
        return Stage("paused", span.start, period, min(usable_until, span.end), usable=True)
    return Stage("paused", max(span.start, usable_until), period, span.end)


def _instants(history: History, policy_of: PolicyOf) -> Iterator[datetime]:
    """Every instant at which the status can change."""
    yield from (will.at for will in history.wills)
    for dispute in history.disputes:
        yield from (at for at in (dispute.at, dispute.closed_at) if at)
    for period in history.periods:
        policy = policy_of(period.policy_version)
        yield period.begins
        if period.taken:
            yield from (at for at in (period.taken.at, period.taken.reinstated_at) if at)
        due = deadlines(history, policy, period)
        if due:
            yield from (due.paid_end, due.end, due.gap_end, due.grace_end, due.hold_end)
        for span in history.pause_spans():
            yield from (span.start, span.start + policy.pause_grace, span.end)
