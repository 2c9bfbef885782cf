"""Licensing's one decision: learn the fact, derive the timeline, say what is new, corrections first."""

from dataclasses import replace
from datetime import datetime
from functools import partial

from contracts.envelope import Envelope
from contracts.errors import Impossible
from contracts.outgoing import Outgoing, Speaker, TimePassed
from contracts.policy import Policies
from ledger.access import position_at
from ledger.timeline import timeline
from services.licensing.domain.announcement import Announcement
from services.licensing.domain.announcements import announcements
from services.licensing.domain.change import Change
from services.licensing.domain.entitlement import entitlement
from services.licensing.domain.license import License, learn
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
    foreseen = announcements(learned.history, stages)
    position = position_at(stages, now)
    present = Change(learned.history, stages, position) if position is not None else None
    speaker = Speaker(SERVICE, message.cause_id, str(learned.subscription_id), learned.provider_id)
    said = say(learned, foreseen, present, speaker, now)
    learned = replace(learned, said=said)
    latest = entitlement(learned, stages, now)
    if latest and (told or speaker.said or latest.seats != learned.seats_told):
        speaker.say(latest, now, policy_version=latest.policy_version)
        learned = replace(learned, seats_told=latest.seats)
    learned = replace(learned, due_at=_due_at(learned, foreseen, now))
    return learned, tuple(speaker.said)


def next_deadline(license: License) -> datetime | None:
    """The next instant at which licensing has something to say by itself."""
    return license.due_at


def _due_at(license: License, foreseen: tuple[Announcement, ...], now: datetime) -> datetime | None:
    """The next announcement, or the next change of the number of seats."""
    known = {s.key for s in license.said}
    unsaid = (a.at for a in foreseen if a.key not in known)
    seats = (c.effective_at for c in license.history.seat_changes if c.effective_at > now)
    return min((*unsaid, *seats), default=None)
