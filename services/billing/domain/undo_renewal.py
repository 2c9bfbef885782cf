"""Undoing a renewal: cancel, and pay back the period that has not begun, in one command (S-40, Q12)."""

from datetime import datetime
from uuid import uuid5

from contracts import commands
from contracts.envelope import Envelope, effect_id
from services.billing.domain import facts
from services.billing.domain.cancel_commands import after_last_will, wrong_route
from services.billing.domain.paybacks import approval
from services.billing.domain.refund_commands import not_refundable
from services.billing.domain.refund_window import refund_until
from services.billing.domain.refusal import Refusal, Verdict, management_link
from services.billing.domain.standing import Case, Standing


def undo_renewal(
    message: Envelope, data: commands.UndoRenewal, known: Standing, now: datetime
) -> Verdict:
    """Cancel and initiate the refund of the last period paid ahead; inside its window without review."""
    refusal = wrong_route(known, data.channel) or _refusal(known, now)
    if refusal:
        return refusal
    period = known.history.counting[-1]
    at = after_last_will(known, now)
    opened = facts.CaseOpened(
        fact_id=effect_id(message.cause_id, "billing", "undo:opened"),
        at=at,
        case_id=uuid5(known.subscription.subscription_id, f"refund\n{period.order_id}"),
        order_id=period.order_id,
        amount=period.amount,
        requested_at=min(message.time, at),
        review=False,
    )
    case = Case(opened.case_id, opened.order_id, opened.amount, opened.requested_at, opened)
    approved = approval(known, case, period, message.cause_id, at)
    if not known.history.auto_renew:
        return (opened, approved)
    canceled = facts.Canceled(
        fact_id=effect_id(message.cause_id, "billing", "undo:canceled"),
        at=at,
        channel=data.channel,
    )
    return (canceled, opened, approved)


def _refusal(known: Standing, now: datetime) -> Refusal | None:
    """Why the last paid period cannot be undone."""
    last = next(reversed(known.history.counting), None)
    if last is None or last.start <= now:
        return Refusal("NO_UPCOMING_PERIOD", "No period is paid ahead that could be undone.")
    refusal = not_refundable(known, last.order_id)
    if refusal:
        return refusal
    until, link = refund_until(known, last), management_link(known)
    if until is None:
        sentence = "The provider offers no refund of this payment through us: use the link."
        return Refusal("REFUND_NOT_OFFERED", sentence, link=link)
    if now >= until:
        sentence = "The time to undo this renewal is over: use the link."
        return Refusal("OUTSIDE_WINDOW", sentence, link=link)
    return None
