"""Pauses: how they are asked for, and when one may begin (S-03, Q17, T23, T24)."""

from datetime import datetime
from uuid import UUID

from contracts import payments
from contracts.policy import ProviderPolicy
from contracts.values import PauseMode
from ledger.pauses import PauseSpan
from services.billing.domain import facts
from services.billing.domain.refusal import Refusal, management_link
from services.billing.domain.standing import Standing


def pause_fact(
    fact_id: UUID, at: datetime, data: payments.PauseRequested | payments.ResumeRequested
) -> facts.PauseRequested | facts.ResumeRequested:
    """What the customer asked for at the provider, as a fact that is judged in its place."""
    if isinstance(data, payments.ResumeRequested):
        return facts.ResumeRequested(fact_id=fact_id, at=at)
    return facts.PauseRequested(
        fact_id=fact_id,
        at=at,
        channel="provider",
        mode=data.mode,
        resumes_at=data.resumes_at,
    )


def open_pause(known: Standing, instant: datetime) -> PauseSpan | None:
    """The pause that runs at the instant, or that is scheduled to begin later."""
    spans = known.history.pause_spans()
    return next((s for s in spans if s.pause.at <= instant < s.end), None)


def mode_of(policy: ProviderPolicy, asked: PauseMode | None) -> PauseMode | None:
    """The mode that is meant: the provider's usual one when none was named."""
    return asked or next(iter(policy.pause_modes), None)


def pause_refusal(known: Standing, asked: facts.PauseRequested) -> Refusal | None:
    """Why a pause cannot be granted by the facts counted so far; None when it can (S-03, Q17)."""
    at, running = asked.at, known.running(asked.at)
    if known.first_order is None:
        return _not_active()
    policy = known.policy_at(at)
    mode = mode_of(policy, asked.mode)
    if mode not in policy.pause_modes:
        sentence = "The provider does not offer such a pause through us: use the link."
        return Refusal("CAPABILITY_NOT_OFFERED", sentence, link=management_link(known))
    if open_pause(known, at):
        return Refusal("PAUSE_OPEN", "The subscription pauses already, or is about to.")
    if running is None:
        return _not_active()
    if _switched_off(known):
        return Refusal("CANCELLATION_SCHEDULED", "The subscription was cancelled and will end.")
    if any(case.is_open for case in known.cases.values()):
        return Refusal("REFUND_OPEN", "A refund of the subscription is under way.")
    if known.dispute_open:
        return Refusal("DISPUTE_OPEN", "A payment of the subscription is disputed.")
    if mode != "at_period_end":
        return _date_refusal(policy, at, asked.resumes_at)
    if running.end is None:
        return Refusal("NO_END", "The subscription has no end at which it could pause.")
    return _date_refusal(policy, running.end, asked.resumes_at)


def _not_active() -> Refusal:
    return Refusal("NOT_ACTIVE", "Only an active, paid subscription can pause.")


def _switched_off(known: Standing) -> bool:
    """Whether renewal was switched off; an order without automatic renewal may pause."""
    last = next(reversed(known.history.effective_wills), None)
    return last is not None and not last.auto_renew and last.reason != "ordered"


def _date_refusal(
    policy: ProviderPolicy, start: datetime, resumes_at: datetime | None
) -> Refusal | None:
    if resumes_at is None:
        return Refusal("RESUME_DATE_MISSING", "A pause needs the date on which it ends.")
    if resumes_at <= start:
        sentence = f"The pause would begin at {start.isoformat()}: it must end later."
        return Refusal("RESUME_DATE_PAST", sentence)
    if resumes_at - start > policy.max_pause:
        latest = (start + policy.max_pause).isoformat()
        return Refusal("PAUSE_TOO_LONG", f"A pause must end at {latest} or before.")
    return None
