"""Billing's one decision: add the fact, derive the standing, stamp verdicts, say what is new, corrections first."""

from datetime import datetime
from uuid import UUID, uuid5

from contracts.envelope import OWN_SOURCE, Envelope, effect_id
from contracts.outgoing import Outgoing, Speaker, TimePassed
from contracts.policy import Policies
from contracts.topics import BILLING_COMMANDS, TOPIC_OF
from services.billing.domain import facts
from services.billing.domain.announcement import Announcement
from services.billing.domain.commands import Refusal, verdict
from services.billing.domain.fold import standing
from services.billing.domain.intake import facts_of
from services.billing.domain.renewals import (
    due_charge,
    recoverable_until,
    request_charge,
    withdrawals,
)
from services.billing.domain.say import announcements, say
from services.billing.domain.standing import Standing
from services.billing.domain.subscription import Said, Subscription

SERVICE = "billing"
#: Refusals after which the money goes back at once.
PAID_BACK = (
    "ORDER_ALREADY_PAID",
    "RENEWAL_ALREADY_PAID",
    "SUBSCRIPTION_ENDED",
    "AMOUNT_MISMATCH",
    "PERIOD_MISMATCH",
)


def decide(
    subscription: Subscription,
    message: Envelope | TimePassed,
    policies: Policies,
    digest_key: bytes,
    now: datetime,
) -> tuple[Subscription, tuple[Outgoing, ...]]:
    """The subscription after a message or a passed deadline, and what billing says about it.

    Raises Impossible for an unknown provider.
    """
    refusal: Refusal | None = None
    before = subscription
    if isinstance(message, Envelope):
        subscription = _named(subscription, message)
        if TOPIC_OF[message.type] is BILLING_COMMANDS:
            answer = verdict(message, standing(subscription, policies), now)
            if isinstance(answer, Refusal):
                refusal = answer
            else:
                subscription = subscription.knowing(answer)
        else:
            subscription = subscription.knowing(facts_of(message, policies, now, digest_key))
            if subscription.facts is before.facts:
                return before, ()
    known, subscription = _with_verdicts(subscription, policies, message.cause_id, now)
    speaker = Speaker(
        SERVICE, message.cause_id, str(subscription.subscription_id), subscription.provider_id
    )
    if refusal and isinstance(message, Envelope):
        speaker.provider_id = speaker.provider_id or message.providerid
        speaker.say(refusal.event(message, now), now)
    foreseen = announcements(known)
    said = say(known, foreseen, speaker, now)
    due_at = _due_at(known, foreseen, said, now)
    return subscription.model_copy(update={"said": said, "due_at": due_at}), tuple(speaker.said)


def next_deadline(subscription: Subscription) -> datetime | None:
    """The next instant at which billing has something to do by itself."""
    return subscription.due_at


def _named(subscription: Subscription, message: Envelope) -> Subscription:
    """The subscription under the provider's name and reference, which the first upstream message tells."""
    if subscription.provider_id or message.source.startswith(OWN_SOURCE):
        return subscription
    if TOPIC_OF[message.type] is BILLING_COMMANDS:
        return subscription
    return subscription.model_copy(
        update={"provider_id": message.providerid, "reference": message.subject}
    )


def _with_verdicts(
    subscription: Subscription, policies: Policies, cause_id: UUID, now: datetime
) -> tuple[Standing, Subscription]:
    """Stamp what must be decided now: accepted and refused payments, charges to ask for or withdraw."""
    while True:
        known = standing(subscription, policies)
        if known.first_order is None:
            return known, subscription
        subscription = _stamp_payments(subscription, known)
        new = [*_refunds_of_refused(known, cause_id, now), *withdrawals(known, cause_id, now)]
        due = due_charge(known)
        charge = request_charge(known, due, cause_id, now) if due and due.at <= now else None
        changed = subscription.knowing([*new, charge] if charge else new)
        if changed is subscription:
            return known, subscription
        subscription = changed


def _stamp_payments(subscription: Subscription, known: Standing) -> Subscription:
    """Verdicts are facts too: once told, a payment stays accepted or refused."""
    changed = False
    stamped: list[facts.AnyFact] = []
    for fact in subscription.facts:
        if isinstance(fact, facts.Paid):
            code = "accepted" if fact.fact_id in known.bought else known.refused.get(fact.fact_id)
            if code and code != fact.verdict:
                fact = fact.model_copy(update={"verdict": code})
                changed = True
        stamped.append(fact)
    return subscription.model_copy(update={"facts": tuple(stamped)}) if changed else subscription


def _refunds_of_refused(known: Standing, cause_id: UUID, now: datetime) -> list[facts.AnyFact]:
    """Money of a success that buys nothing goes back at once."""
    found: list[facts.AnyFact] = []
    for fact in known.subscription.facts:
        if not isinstance(fact, facts.Paid) or known.refused.get(fact.fact_id) not in PAID_BACK:
            continue
        case_id = uuid5(known.subscription.subscription_id, f"refused\n{fact.fact_id}")
        if case_id in known.cases:
            continue
        fact_id = effect_id(cause_id, SERVICE, f"paid-back:{fact.fact_id}")
        found.append(
            facts.CaseApproved(
                fact_id=fact_id,
                at=now,
                case_id=case_id,
                order_id=fact.order_id,
                amount=fact.amount,
                requested_at=now,
                refund_id=effect_id(fact_id, SERVICE, "refund"),
                effect="none",
                refused_payment=fact.fact_id,
            )
        )
    return found


def _due_at(
    known: Standing, foreseen: list[Announcement], said: tuple[Said, ...], now: datetime
) -> datetime | None:
    made = {item.key for item in said}
    instants = [a.at for a in foreseen if a.key not in made]
    due = due_charge(known)
    if due and now < recoverable_until(known, due.period):
        instants.append(due.at)
    instants += [charge.asked.charge_by for charge in known.charges.values() if charge.open]
    return min(instants, default=None)
