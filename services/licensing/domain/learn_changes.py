"""Learning from billing: pauses, disputes and seats, which change what a paid period allows."""

from dataclasses import replace
from datetime import datetime

from contracts import billing
from contracts.base import Data
from ledger.history import History
from ledger.open_money import Dispute
from ledger.pauses import Pause
from ledger.seats import SeatChange


def learn_change(history: History, data: Data, told_at: datetime) -> History:
    """The history after what an event tells about pauses, disputes and seats (Q17, T22, Q25)."""
    match data:
        case billing.PauseScheduled() | billing.PauseStarted():
            return history.with_pause(_pause(history, data))
        case billing.PauseEnded():
            return _ended(history, data)
        case billing.DisputeEvent():
            return _disputed(history, data)
        case billing.SettingsChanged(seats=int() as seats):
            return history.with_seat_change(
                SeatChange(data.fact_id, told_at, data.effective_at, seats)
            )
    return history


def _pause(history: History, data: billing.PauseScheduled | billing.PauseStarted) -> Pause:
    """The pause as granted; what was known of it stays, unless this event corrects it."""
    known = next((pause for pause in history.pauses if pause.fact_id == data.pause_id), None)
    if known and isinstance(data, billing.PauseStarted):
        ended_at = None if data.corrects else known.ended_at
        return replace(known, resumes_at=data.resumes_at, ended_at=ended_at)
    return Pause(
        fact_id=data.pause_id,
        mode=data.mode,
        at=data.effective_at,
        resumes_at=data.resumes_at,
        follows=data.follows if isinstance(data, billing.PauseScheduled) else None,
        ended_at=known.ended_at if known and not data.corrects else None,
    )


def _ended(history: History, data: billing.PauseEnded) -> History:
    for pause in history.pauses:
        if pause.fact_id == data.pause_id:
            return history.with_pause(replace(pause, ended_at=data.effective_at))
    return history


def _disputed(history: History, data: billing.DisputeEvent) -> History:
    """Opened, or decided, which counts once; heard to be decided first, it takes no time until then."""
    known = next((d for d in history.disputes if d.dispute_id == data.dispute_id), None)
    if data.period_id is None:
        return history
    opened = isinstance(data, billing.DisputeOpened)
    dispute = known or Dispute(
        fact_id=data.fact_id,
        dispute_id=data.dispute_id,
        period_id=data.period_id,
        at=data.effective_at,
    )
    if opened:
        dispute = replace(
            dispute, fact_id=data.fact_id, period_id=data.period_id, at=data.effective_at
        )
    else:
        closed_at = min(dispute.closed_at or data.effective_at, data.effective_at)
        dispute = replace(dispute, closed_at=closed_at)
    return history.with_dispute(dispute)
