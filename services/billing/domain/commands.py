"""Commands become verdicts: facts, or a refusal with a stable code that changes nothing."""

from datetime import datetime

from contracts import commands
from contracts.base import Data
from contracts.envelope import Envelope
from services.billing.domain.cancel_commands import cancel, uncancel
from services.billing.domain.goodwill import extend_period
from services.billing.domain.pause_commands import pause, resume
from services.billing.domain.refund_commands import approve, decline, request_refund
from services.billing.domain.refusal import Refusal, Verdict
from services.billing.domain.settings_commands import change_settings
from services.billing.domain.standing import Standing
from services.billing.domain.undo_renewal import undo_renewal


def verdict(message: Envelope, known: Standing, now: datetime) -> Verdict:
    """Answer one command by the standing at `now`."""
    data: Data = message.data
    if known.first_order is None:
        return Refusal("SUBSCRIPTION_UNKNOWN", "No order of this subscription is known.")
    match data:
        case commands.Cancel():
            return cancel(message, data, known, now)
        case commands.Uncancel():
            return uncancel(message, data, known, now)
        case commands.RequestRefund():
            return request_refund(message, data, known, now)
        case commands.ApproveRefund():
            return approve(message, data, known, now)
        case commands.DeclineRefund():
            return decline(message, data, known, now)
        case commands.UndoRenewal():
            return undo_renewal(message, data, known, now)
        case commands.Pause():
            return pause(message, data, known, now)
        case commands.Resume():
            return resume(message, known, now)
        case commands.ExtendPeriod():
            return extend_period(message, data, known, now)
        case commands.ChangeSettings():
            return change_settings(message, data, known, now)
    raise TypeError(f"no verdict for {message.type}")
