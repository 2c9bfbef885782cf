"""Shifts: pauses and goodwill move the end of paid time, and everything behind it (T25)."""

from dataclasses import replace
from datetime import datetime, timedelta

from ledger.history import History, PaidPeriod


def shifted(history: History, instant: datetime, by: timedelta) -> History:
    """The history in which the period at `instant` ends `by` later, and later ones move with it.

    A period that had ended before stays as it is.
    """
    for period in history.periods:
        if period.start >= instant:
            history = history.with_period(_moved(period, by, by))
        elif period.end is not None and period.end > instant:
            history = history.with_period(_moved(period, timedelta(0), by))
    return history


def _moved(period: PaidPeriod, start: timedelta, end: timedelta) -> PaidPeriod:
    ends_at = period.end + end if period.end else None
    return replace(period, start=period.start + start, end=ends_at, shift=period.shift + end)
