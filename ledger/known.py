"""What was known at an instant: the history without what happened later."""

from dataclasses import replace
from datetime import datetime

from ledger.history import History, PaidPeriod, Taken
from ledger.open_money import Asked, Dispute
from ledger.pauses import Pause


def known_at(history: History, instant: datetime) -> History:
    """The history as far as it had happened at the instant.

    Bounds stay as they are now, and so does whether money was ever asked for: neither tells since when.
    """
    return replace(
        history,
        periods=tuple(_period(p, instant) for p in history.periods if p.paid_at <= instant),
        wills=tuple(will for will in history.wills if will.at <= instant),
        asked=tuple(_closed(asked, instant) for asked in history.asked if asked.at <= instant),
        pauses=tuple(_pause(pause, instant) for pause in history.pauses if pause.at <= instant),
        disputes=tuple(_dispute(d, instant) for d in history.disputes if d.at <= instant),
        seat_changes=tuple(change for change in history.seat_changes if change.at <= instant),
    )


def _period(period: PaidPeriod, instant: datetime) -> PaidPeriod:
    takings = [_taken(taken, instant) for taken in period.takings if taken.at <= instant]
    last = takings[-1] if takings else None
    return replace(period, taken=last, taken_before=tuple(takings[:-1]))


def _taken(taken: Taken, instant: datetime) -> Taken:
    later = taken.reinstated_at is not None and taken.reinstated_at > instant
    return replace(taken, reinstated_at=None) if later else taken


def _closed(asked: Asked, instant: datetime) -> Asked:
    later = asked.closed_at is not None and asked.closed_at > instant
    return replace(asked, closed_at=None) if later else asked


def _dispute(dispute: Dispute, instant: datetime) -> Dispute:
    later = dispute.closed_at is not None and dispute.closed_at > instant
    return replace(dispute, closed_at=None) if later else dispute


def _pause(pause: Pause, instant: datetime) -> Pause:
    later = pause.ended_at is not None and pause.ended_at > instant
    return replace(pause, ended_at=None) if later else pause
