"""Licensing's one decision: learn the fact, derive the timeline, say what is new, corrections first."""

from dataclasses import replace
from datetime import datetime
from functools import partial

from contracts.envelope import Envelope
from contracts.errors import Impossible
from contracts.outgoing import Outgoing, Speaker, TimePassed
from contracts.policy import Policies
from ledger.timeline import timeline
from services.licensing.domain.announcements import Announcement, announcements
from services.licensing.domain.entitlement import entitlement
from services.licensing.domain.license import License, Said, learn
from services.licensing.domain.say import say

SERVICE = "licensing"


def decide(
    license: License, message: Envelope | TimePassed, policies: Policies, now: datetime
) -> tuple[License, tuple[Outgoing, ...]]:
    """The license after a message of billing or a passed deadline, and what licensing says about it.

    Raises Impossible for a period without its subscription.
    """
    told = isinstance(message, Envelope)
    learned = learn(license, message) if isinstance(message, Envelope) else license
    if told and learned is license:
        return license, ()
    if not learned.provider_id:
        raise Impossible("subscription_unknown", "The subscription was never created.")
    stages = timeline(learned.history, partial(policies.stamped, learned.provider_id))
    foreseen = announcements(stages)
    speaker = Speaker(SERVICE, message.cause_id, str(learned.subscription_id), learned.provider_id)
    said = say(learned, foreseen, stages, speaker, now)
    learned = replace(learned, said=said, due_at=_due_at(foreseen, said))
    latest = entitlement(learned, stages, now) if told or speaker.said else None
    if latest:
        speaker.say(latest, now, policy_version=latest.policy_version)
    return learned, tuple(speaker.said)


def next_deadline(license: License) -> datetime | None:
    """The next instant at which licensing has something to say by itself."""
    return license.due_at


def _due_at(foreseen: tuple[Announcement, ...], said: tuple[Said, ...]) -> datetime | None:
    known = {s.key for s in said}
    return next((a.at for a in foreseen if a.key not in known), None)
