"""Commands about automatic renewal: cancel, and think better of it (S-37 to S-40, S-49 to S-60)."""

from datetime import datetime, timedelta

from contracts import commands
from contracts.envelope import Envelope
from contracts.values import Channel
from ledger.history import Will
from services.billing.domain import facts
from services.billing.domain.handover import hand_over
from services.billing.domain.refusal import Refusal, Verdict, management_link
from services.billing.domain.standing import Standing


def cancel(message: Envelope, data: commands.Cancel, known: Standing, now: datetime) -> Verdict:
    """Switch automatic renewal off, or pass the customer on to the provider's page (S-59)."""
    policy = known.order_policy
    if data.channel not in policy.cancel_handover:
        refusal = wrong_route(known, data.channel)
        if refusal:
            return refusal
    stage = known.stage(now)
    if stage and stage.status == "expired":
        return Refusal("SUBSCRIPTION_ENDED", "The subscription has ended already.")
    if not known.history.auto_renew:
        return Refusal("NO_AUTO_RENEWAL", "Automatic renewal is off already.")
    if data.channel in policy.cancel_handover:
        return hand_over(message.cause_id, data.channel, policy, known, now)
    at = after_last_will(known, now)
    return (
        facts.Canceled(fact_id=message.cause_id, at=at, channel=data.channel, reason=data.reason),
    )


def uncancel(message: Envelope, data: commands.Uncancel, known: Standing, now: datetime) -> Verdict:
    """Switch automatic renewal on again while the cancellation has not taken effect (T17)."""
    will = known.history.effective_wills[-1]
    if will.reason != "canceled":
        return Refusal("NOT_CANCELED", "There is no cancellation to withdraw.")
    stage = known.stage(now)
    if stage and stage.status == "expired":
        return Refusal("SUBSCRIPTION_ENDED", "The cancellation has taken effect already.")
    at = after_last_will(known, now)
    again = Will(message.cause_id, at, auto_renew=True, reason="withdrawn")
    if not known.history.with_will(again).auto_renew:
        sentence = "A refund switched automatic renewal off: only a new order renews again."
        return Refusal("REFUNDED", sentence)
    return (facts.Uncanceled(fact_id=message.cause_id, at=at, channel=data.channel),)


def wrong_route(known: Standing, channel: Channel) -> Refusal | None:
    """The refusal of a channel on which nobody can cancel (S-57, S-60)."""
    if channel in known.order_policy.cancel_routes:
        return None
    sentence = "Only the provider can cancel this subscription: use the link."
    return Refusal("CANCEL_AT_PROVIDER", sentence, link=management_link(known))


def after_last_will(known: Standing, now: datetime) -> datetime:
    """An instant at which the command counts last: at one instant, a cancellation counts before its withdrawal."""
    last = known.history.wills[-1]
    if last.at < now or (last.at == now and last.reason == "ordered"):
        return now
    return last.at + timedelta.resolution
