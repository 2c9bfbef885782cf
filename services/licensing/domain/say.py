"""Saying: what turned out untrue is corrected first, then what is due and unsaid is said, with its anchor."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from contracts import licensing
from contracts.outgoing import Speaker
from services.licensing.domain.announcement import Announcement
from services.licensing.domain.change import Change
from services.licensing.domain.corrections import (
    as_corrected_reason,
    corrections,
    not_begun,
    wrong_reason,
)
from services.licensing.domain.entitlement_news import present_entitlement
from services.licensing.domain.license import License, Said


def say(
    license: License,
    foreseen: tuple[Announcement, ...],
    present: Change | None,
    speaker: Speaker,
    now: datetime,
) -> tuple[Said, ...]:
    """Say what is due, corrections first; returns everything that was said and still stands.

    `present` is the change that led to the stage of now, None before the first.
    """
    keys = {announcement.key for announcement in foreseen}
    stands = [said for said in license.said if said.key in keys]
    gone = [said for said in license.said if said.key not in keys]
    known = {said.key for said in stands}
    fresh = [a for a in foreseen if a.at <= now and a.key not in known]
    voice = _Voice(speaker, now, license.history.paid_through)
    if present:
        found = corrections(gone, fresh, present, now)
    else:
        found = not_begun(gone, next(iter(license.history.periods), None), now)
    for announcement, corrects in found.first:
        event_id = voice.say(announcement, corrects)
        if announcement.key in keys:  # said once more
            stands.append(Said(announcement.key, event_id))
    for announcement in fresh:
        old = wrong_reason(announcement, gone)
        told = as_corrected_reason(announcement, old) if old else announcement
        event_id = voice.say(told, found.corrected_by.get(announcement.key, ()))
        stands.append(Said(announcement.key, event_id))
    last = _last_word(fresh, present)
    if last:
        stands.append(Said(last.key, voice.say(last)))
    return tuple(stands)


def _last_word(fresh: list[Announcement], present: Change | None) -> Announcement | None:
    """The present entitlement once more, when an older one that was told late would be the last word."""
    states = [a.fields["state"] for a in fresh if issubclass(a.event, licensing.EntitlementEvent)]
    if present is None or not states:
        return None
    latest = present_entitlement(present, restored=states[-1] not in ("active", "grace"))
    return latest if latest.fields["state"] != states[-1] else None


@dataclass(frozen=True, slots=True)
class _Voice:
    """Says events of licensing, each with when it was derived."""

    speaker: Speaker
    now: datetime
    paid_through: datetime | None

    def say(self, announcement: Announcement, corrects: tuple[UUID, ...] = ()) -> UUID:
        """Say one announcement and return the id of its event."""
        fields = announcement.fields
        if issubclass(announcement.event, licensing.EntitlementEvent):
            fields = {**fields, "as_of": self.now}
        data = announcement.event.model_validate(
            {
                "effective_at": announcement.effective_at,
                "derived_at": self.now,
                "paid_through": self.paid_through,
                "policy_version": announcement.policy_version,
                "fact_id": announcement.fact_id,
                "corrects": corrects or None,
                **fields,
            }
        )
        return self.speaker.say(
            data, announcement.effective_at, policy_version=announcement.policy_version
        )
