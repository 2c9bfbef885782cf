"""A period that runs: active, paused, or held by a dispute."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from contracts.policy import ProviderPolicy
from ledger.history import History, PaidPeriod
from ledger.open_money import Dispute
from ledger.pauses import PauseSpan
from ledger.stage import Stage, active_since


def running_stage(
    history: History, policy: ProviderPolicy, period: PaidPeriod, instant: datetime
) -> Stage:
    """The stage while a paid period runs: active, unless it pauses or its money is disputed (Q17, T22)."""
    since = active_since(period, instant)
    span = history.pause_at(instant)
    if span:
        return _paused(span, period, since, span.start + policy.pause_grace, instant)
    resumed = [span.end for span in history.pause_spans() if span.end <= instant]
    since = max([since, *resumed])
    return held_by_disputes(history, policy, Stage("active", since, period, period.end), instant)


def held_by_disputes(
    history: History, policy: ProviderPolicy, usable: Stage, instant: datetime
) -> Stage:
    """What is usable by the payments, but on hold while its money is disputed, where the pack holds it (T22)."""
    if not policy.hold_on_dispute:
        return usable
    period = usable.period
    disputes = [d for d in history.disputes if d.period_id == period.period_id]
    held = _held_since(disputes, instant)
    if held:
        return Stage("hold", max(held, usable.start), period, None)
    decided = [d.closed_at for d in disputes if d.closed_at and d.at < d.closed_at <= instant]
    return replace(usable, start=max([usable.start, *decided]))


def _held_since(disputes: Sequence[Dispute], instant: datetime) -> datetime | None:
    """Since when one dispute or another was open without a break; None when none is open."""
    held = min((d.at for d in disputes if d.open_at(instant)), default=None)
    for dispute in sorted(disputes, key=lambda d: d.at, reverse=True):
        if held and dispute.closed_at and dispute.at < held <= dispute.closed_at:
            held = dispute.at
    return held


def _paused(
    span: PauseSpan, period: PaidPeriod, since: datetime, usable_until: datetime, instant: datetime
) -> Stage:
    """A pause; everything stays usable for the first days where the provider offers that."""
    start, end = max(span.start, since), min(span.end, period.end or span.end)
    if instant < usable_until:
        return Stage("paused", start, period, min(usable_until, end), usable=True)
    return Stage("paused", max(start, usable_until), period, end)
