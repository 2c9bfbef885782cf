"""Billing's one decision: add the fact, derive the standing, stamp verdicts, say what is new."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from contracts.commands import EraseCustomer
from contracts.envelope import OWN_SOURCE, Envelope
from contracts.outgoing import Outgoing, Speaker, TimePassed
from contracts.policy import Policies
from contracts.topics import BILLING_COMMANDS, TOPIC_OF
from services.billing.domain import facts
from services.billing.domain.announcement import Announcement
from services.billing.domain.commands import verdict
from services.billing.domain.fold import standing
from services.billing.domain.intake import answering, facts_of
from services.billing.domain.losses import losses
from services.billing.domain.paybacks import paybacks
from services.billing.domain.refusal import Refusal
from services.billing.domain.reminders import late_reminder
from services.billing.domain.renewals import (
    DueCharge,
    due_charge,
    recoverable_until,
    request_charge,
    withdrawals,
)
from services.billing.domain.say import announcements, say
from services.billing.domain.standing import Standing
from services.billing.domain.subscription import Said, Subscription

SERVICE = "billing"


def decide(
    subscription: Subscription,
    message: Envelope | TimePassed,
    policies: Policies,
    digest_key: bytes,
    now: datetime,
) -> tuple[Subscription, tuple[Outgoing, ...]]:
    """The subscription after a message or a passed deadline, and what billing says about it.

    Raises Impossible for an unknown provider or time zone, a time in the far future, an end beyond all time.
    """
    if isinstance(message, Envelope) and isinstance(message.data, EraseCustomer):
        return subscription, ()  # about a customer: no fact of any subscription
    cause_id = message.cause_id
    refusal: Refusal | None = None
    if isinstance(message, Envelope):
        before, subscription = subscription, _named(subscription, message)
        answer = _answer(subscription, message, cause_id, policies, digest_key, now)
        if isinstance(answer, Refusal):
            refusal = answer
        else:
            subscription = subscription.knowing(answer)
            if subscription.facts is before.facts:
                return before, ()
            # What we stamp ourselves may lie a tick ahead of the clock: time does not run back.
            now = max([now, *(fact.at for fact in answer if fact.at != message.time)])
    known, subscription, due = _with_verdicts(subscription, policies, cause_id, now)
    speaker = Speaker(
        SERVICE, cause_id, str(subscription.subscription_id), subscription.provider_id
    )
    if refusal and isinstance(message, Envelope):
        speaker.provider_id = speaker.provider_id or message.providerid
        speaker.say(refusal.event(message.type, cause_id, now), now)
    foreseen = announcements(known)
    said = say(known, foreseen, speaker, now)
    due_at = _due_at(known, due, foreseen, said, now)
    return replace(subscription, said=said, due_at=due_at), tuple(speaker.said)


def next_deadline(subscription: Subscription) -> datetime | None:
    """The next instant at which billing has something to do by itself."""
    return subscription.due_at


def _answer(
    subscription: Subscription,
    message: Envelope,
    cause_id: UUID,
    policies: Policies,
    digest_key: bytes,
    now: datetime,
) -> tuple[facts.AnyFact, ...] | Refusal:
    """The facts that a message tells, or the answer to a command; nothing new when it was heard before."""
    if subscription.knows(cause_id):
        return ()
    if _is_command(message):
        return verdict(message, standing(subscription, policies), now)
    told = facts_of(message, cause_id, policies, now, digest_key)
    return tuple(
        answering(fact, subscription.facts) for fact in told if not _again(fact, subscription)
    )


def _again(fact: facts.AnyFact, subscription: Subscription) -> bool:
    """Whether it places an order that was placed before: an order_id is used once."""
    return isinstance(fact, facts.Ordered) and any(
        isinstance(known, facts.Ordered) and known.order_id == fact.order_id
        for known in subscription.facts
    )


def _is_command(message: Envelope) -> bool:
    return TOPIC_OF[message.type] is BILLING_COMMANDS


def _named(subscription: Subscription, message: Envelope) -> Subscription:
    """The subscription under the provider's name and reference, which the first upstream message tells."""
    if subscription.provider_id or message.source.startswith(OWN_SOURCE) or _is_command(message):
        return subscription
    return replace(subscription, provider_id=message.providerid, reference=message.subject)


def _with_verdicts(
    subscription: Subscription, policies: Policies, cause_id: UUID, now: datetime
) -> tuple[Standing, Subscription, DueCharge | None]:
    """Stamp what must be decided now: payments accepted or refused, money lost or given back, charges.

    One at a time, so that each sees what follows from those before it: no money goes back twice, and
    nothing is charged for what was just lost. Returns the standing with them, and the charge that is
    due later.
    """
    while True:
        known = standing(subscription, policies)
        if known.first_order is None:
            return known, subscription, None
        subscription = _stamp_payments(subscription, known)
        due = due_charge(known, now)
        found = _verdicts(known, due, cause_id, now)
        new = next((fact for fact in found if not subscription.knows(fact.fact_id)), None)
        if new is None:
            return known, subscription, due
        subscription = subscription.knowing([new])


def _verdicts(
    known: Standing, due: DueCharge | None, cause_id: UUID, now: datetime
) -> Iterator[facts.AnyFact]:
    """What must be decided by the standing, the most urgent first."""
    yield from losses(known)
    yield from paybacks(known, cause_id, now)
    yield from withdrawals(known, cause_id, now)
    late = late_reminder(known, cause_id, now)
    if late:
        yield late
    charge = request_charge(known, due, cause_id, now) if due and due.at <= now else None
    if charge:
        yield charge


def _stamp_payments(subscription: Subscription, known: Standing) -> Subscription:
    """Verdicts are facts too: once told, a payment stays accepted or refused."""
    changed = False
    stamped: list[facts.AnyFact] = []
    for fact in subscription.facts:
        if isinstance(fact, facts.Paid):
            code = "accepted" if fact.fact_id in known.bought else known.refused.get(fact.fact_id)
            if code and code != fact.verdict:
                fact = replace(fact, verdict=code)
                changed = True
        stamped.append(fact)
    return replace(subscription, facts=tuple(stamped)) if changed else subscription


def _due_at(
    known: Standing,
    due: DueCharge | None,
    foreseen: list[Announcement],
    said: tuple[Said, ...],
    now: datetime,
) -> datetime | None:
    made = {item.key for item in said}
    instants = [a.at for a in foreseen if a.key not in made]
    if due and now < recoverable_until(known, due.period):
        instants.append(due.at)
    instants += [charge.asked.charge_by for charge in known.charges.values() if charge.open]
    return min(instants, default=None)
