"""Commands about pauses: begin one, or end it early (S-03, T23 to T25)."""

from datetime import datetime, timedelta

from contracts import commands
from contracts.envelope import Envelope
from services.billing.domain import facts
from services.billing.domain.fold_pauses import NOT_PAUSED
from services.billing.domain.pauses import mode_of, open_pause, pause_refusal
from services.billing.domain.refusal import Verdict
from services.billing.domain.standing import Standing


def pause(message: Envelope, data: commands.Pause, known: Standing, now: datetime) -> Verdict:
    """Grant the pause by the same rules as one that was asked for at the provider."""
    at = _after_last(known, now)
    asked = facts.PauseRequested(
        fact_id=message.cause_id,
        at=at,
        channel=data.channel,
        mode=mode_of(known.policy_at(at), data.mode),
        resumes_at=data.resumes_at,
        granted=True,
    )
    return pause_refusal(known, asked) or (asked,)


def resume(message: Envelope, known: Standing, now: datetime) -> Verdict:
    """End the pause that is open, or drop the one that is scheduled."""
    at = max([now, *(pause.at for pause in known.history.pauses)])
    if open_pause(known, at) is None:
        return NOT_PAUSED
    return (facts.ResumeRequested(fact_id=message.cause_id, at=at, granted=True),)


def _after_last(known: Standing, now: datetime) -> datetime:
    """An instant after the last resumption: at one instant, a pause counts before it."""
    resumed = [
        fact.at for fact in known.subscription.facts if isinstance(fact, facts.ResumeRequested)
    ]
    return max([now, *(at + timedelta.resolution for at in resumed if at >= now)])
