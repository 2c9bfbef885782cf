"""Goodwill: an operator gives days, and the current period ends later."""

from datetime import datetime, timedelta

from contracts import commands
from contracts.envelope import Envelope
from ledger.history import PaidPeriod
from ledger.shifts import extended
from services.billing.domain import facts
from services.billing.domain.fold_pauses import drop_lost
from services.billing.domain.refusal import Refusal, Verdict
from services.billing.domain.standing import Move, Standing


def extend_period(
    message: Envelope, data: commands.ExtendPeriod, known: Standing, now: datetime
) -> Verdict:
    """Give the days, unless there is nothing that could end later."""
    period = _extendable(known, now)
    if period is None:
        stage = known.stage(now)
        if stage and stage.status == "expired":
            return Refusal("SUBSCRIPTION_ENDED", "The subscription has ended already.")
        return Refusal("NOT_ACTIVE", "No paid period runs that could end later.")
    if period.end is None:
        return Refusal("NO_END", "The subscription has no end that could move.")
    return (facts.Extended(fact_id=message.cause_id, at=now, days=data.days),)


def count_extension(result: Standing, fact: facts.Extended) -> None:
    """The current period, and what lies behind it, ends later."""
    period = _extendable(result, fact.at)
    if period:
        spans = result.history.pause_spans()
        history = extended(result.history, period, timedelta(days=fact.days))
        result.move(history, Move("goodwill", fact.fact_id, fact.at))
        drop_lost(result, spans, fact)


def _extendable(known: Standing, instant: datetime) -> PaidPeriod | None:
    """The period that runs, or the one whose unpaid end lies behind us.

    Where a pause began at that end, it is the one that follows: days before the pause would be lost.
    """
    running, stage = known.running(instant), known.stage(instant)
    if running or stage is None or stage.status == "expired":
        return running
    if known.history.renewal_point(stage.period) == stage.period.end:
        return stage.period
    ahead = [period for period in known.history.counting if period.start > instant]
    return min(ahead, key=lambda period: period.start, default=None)
