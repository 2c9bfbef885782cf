"""Shifts: pauses and goodwill move the end of paid time, and everything behind it (T25)."""

from dataclasses import replace
from datetime import datetime, timedelta

from ledger.calendar import possible_end
from ledger.history import History, PaidPeriod


def extended(history: History, period: PaidPeriod, by: timedelta) -> History:
    """The history in which `period` ends `by` later, and what lies behind it follows.

    A pause that begins at its end gets shorter instead of later, so that the next period stays where
    the pause ends. Raises Impossible when an end would lie beyond all time.
    """
    old_end, old_point = period.end, history.renewal_point(period)
    if old_end is None or old_point is None:
        return history
    longer = _moved(period, timedelta(0), by)
    history = history.with_period(longer)
    point = history.renewal_point(longer) or old_point
    return _behind(history, period, old_end, point - old_point)


def postponed(history: History, period: PaidPeriod, to: datetime) -> History:
    """The history in which what lies behind `period` starts at `to` or later (T24).

    Raises Impossible when an end would lie beyond all time.
    """
    if period.end is None:
        return history
    starts = [
        p.start
        for p in history.periods
        if p.start >= period.end and p.period_id != period.period_id
    ]
    first = min(starts, default=to)
    return _behind(history, period, period.end, max(to - first, timedelta(0)))


def behind_pauses(history: History) -> History:
    """The history in which what was paid behind a pause at the end of a period begins at its end (T24).

    Billing moves and tells it so, one period at a time; whoever hears of the pause first need not
    believe meanwhile that paid time passed in it. Of periods that were all moved none moves again.
    """
    for span in history.pause_spans():
        behind = [p for p in history.periods if span.pause.follows and p.start >= span.start]
        if any(p.start < span.end for p in behind):
            free = span.end
            for period in sorted(behind, key=lambda p: (p.ordinal, p.start)):
                by = max(free - period.start, timedelta(0))
                moved = _moved(period, by, by)
                history = history.with_period(moved)
                if not moved.is_away:
                    free = max(free, moved.end or free)
    return history


def _behind(history: History, period: PaidPeriod, end: datetime, by: timedelta) -> History:
    """All periods that start at or after `end` move, whether they count or were taken away."""
    for later in history.periods:
        if later.start >= end and later.period_id != period.period_id and by:
            history = history.with_period(_moved(later, by, by))
    return history


def _moved(period: PaidPeriod, start: timedelta, end: timedelta) -> PaidPeriod:
    ends_at = possible_end(period.end + end) if period.end else None
    return replace(period, start=period.start + start, end=ends_at, shift=period.shift + end)
