"""Commands become verdicts: facts, or a refusal with a stable code that changes nothing."""

from datetime import datetime, timedelta

from contracts import commands
from contracts.base import Data
from contracts.envelope import Envelope
from services.billing.domain import facts
from services.billing.domain.refund_commands import approve, decline, request_refund
from services.billing.domain.refusal import Refusal, Verdict, management_link
from services.billing.domain.standing import Standing


def verdict(message: Envelope, known: Standing, now: datetime) -> Verdict:
    """Answer one command by the standing at `now`."""
    data: Data = message.data
    if known.first_order is None:
        return Refusal("SUBSCRIPTION_UNKNOWN", "No order of this subscription is known.")
    match data:
        case commands.Cancel():
            return _cancel(message, data, known, now)
        case commands.Uncancel():
            return _uncancel(message, data, known, now)
        case commands.RequestRefund():
            return request_refund(message, data, known, now)
        case commands.ApproveRefund():
            return approve(message, data, known, now)
        case commands.DeclineRefund():
            return decline(message, data, known, now)
    raise TypeError(f"no verdict for {message.type}")


def _cancel(message: Envelope, data: commands.Cancel, known: Standing, now: datetime) -> Verdict:
    order = known.first_order
    if order and data.channel not in known.policy(order.policy_version).cancel_routes:
        sentence = "Only the provider can cancel this subscription: use the link."
        return Refusal("CANCEL_AT_PROVIDER", sentence, link=management_link(known))
    stage = known.stage(now)
    if stage and stage.status == "expired":
        return Refusal("SUBSCRIPTION_ENDED", "The subscription has ended already.")
    if not known.history.auto_renew:
        return Refusal("NO_AUTO_RENEWAL", "Automatic renewal is off already.")
    at = _after_last_will(known, now)
    return (
        facts.Canceled(fact_id=message.cause_id, at=at, channel=data.channel, reason=data.reason),
    )


def _uncancel(
    message: Envelope, data: commands.Uncancel, known: Standing, now: datetime
) -> Verdict:
    will = known.history.effective_wills[-1]
    if will.reason != "canceled":
        return Refusal("NOT_CANCELED", "There is no cancellation to withdraw.")
    through = known.history.paid_through
    if through and now >= through:
        return Refusal("SUBSCRIPTION_ENDED", "The cancellation has taken effect already.")
    at = _after_last_will(known, now)
    return (facts.Uncanceled(fact_id=message.cause_id, at=at, channel=data.channel),)


def _after_last_will(known: Standing, now: datetime) -> datetime:
    """An instant at which the command counts last: at one instant, a cancellation counts before its withdrawal."""
    last = known.history.wills[-1]
    if last.at < now or (last.at == now and last.reason == "ordered"):
        return now
    return last.at + timedelta.resolution
