"""Saying: which announcements are new, which are corrected, and when the next one is due."""

from datetime import datetime
from uuid import UUID

from contracts import billing
from contracts.base import Data
from contracts.outgoing import Speaker
from contracts.topics import PAYMENTS_REQUESTS, TOPIC_OF
from services.billing.domain.announce_disputes import dispute_announcements
from services.billing.domain.announce_pauses import (
    pause_announcements,
    scheduled_pause_announcements,
)
from services.billing.domain.announce_payments import payment_announcements, waiting_announcements
from services.billing.domain.announce_periods import shift_announcements
from services.billing.domain.announce_refunds import refund_announcements
from services.billing.domain.announce_renewals import renewal_announcements
from services.billing.domain.announce_settings import settings_announcements
from services.billing.domain.announce_takings import taking_announcements
from services.billing.domain.announce_will import will_announcements
from services.billing.domain.announcement import Announcement
from services.billing.domain.handover import handover_announcements
from services.billing.domain.standing import Standing
from services.billing.domain.subscription import Said


def announcements(known: Standing) -> list[Announcement]:
    """Everything that facts and deadlines say, past and foreseen, in the order of its instants.

    Without the order nothing leaves but that it is missing (architecture, "Out of order").
    """
    if known.first_order is None:
        return sorted(waiting_announcements(known), key=lambda a: a.at)
    found = [
        *payment_announcements(known),
        *scheduled_pause_announcements(known),  # before what they move, so that it shows no gap
        *shift_announcements(known),
        *settings_announcements(known),
        *renewal_announcements(known),
        *will_announcements(known),
        *handover_announcements(known),
        *refund_announcements(known),
        *dispute_announcements(known),
        *taking_announcements(known),
        *pause_announcements(known),  # after what ended one: nobody hears that it resumed
    ]
    return sorted(found, key=lambda a: a.at)  # stable: one instant keeps this order


def say(
    known: Standing, foreseen: list[Announcement], speaker: Speaker, now: datetime
) -> tuple[Said, ...]:
    """Say what is due and unsaid, and correct what was said, in the order of the instants.

    Not corrections first: the fact that moves a period is older than it, so that a reader who hears
    both in this order sees no gap between them. Returns everything that was ever said.
    """
    said = {item.key: item for item in known.subscription.said}
    _retract_reminders(foreseen, said, known, speaker, now)
    for announcement in foreseen:
        old = said.get(announcement.key)
        if old is None and announcement.at <= now:
            said[announcement.key] = _say_one(announcement, said, known, speaker)
        elif old is None or old.value == announcement.value:
            continue
        elif announcement.goes_on and announcement.at > now:
            speaker.say(announcement.goes_on(old.event_id), now)
            del said[announcement.key]
        elif announcement.correction:
            data = announcement.correction(old.value, old.event_id)
            if data:
                data = _correcting(data, _displaced(announcement, said))
                event_id = speaker.say(data, min(announcement.at, now))
                said[announcement.key] = Said(announcement.key, event_id, announcement.value)
    return tuple(said.values())


def _say_one(
    announcement: Announcement, said: dict[str, Said], known: Standing, speaker: Speaker
) -> Said:
    corrects = tuple(said[key].event_id for key in announcement.corrects if key in said)
    corrects += _displaced(announcement, said)
    first: UUID | None = None
    for message in announcement.messages():
        data = _correcting(message, corrects)
        to_upstream = TOPIC_OF[data.TYPE] is PAYMENTS_REQUESTS
        key = known.subscription.reference if to_upstream else None
        event_id = speaker.say(data, announcement.at, key=key)
        first = first or event_id
    return Said(announcement.key, first or speaker.cause_id, announcement.value)


def _displaced(announcement: Announcement, said: dict[str, Said]) -> tuple[UUID, ...]:
    """The events that an announcement makes unsaid."""
    return tuple(said.pop(key).event_id for key in announcement.displaces if key in said)


def _correcting(data: Data, ids: tuple[UUID, ...]) -> Data:
    """What is said, naming these events too as corrected; what goes upstream names none."""
    if not ids or not isinstance(data, billing.BillingEvent):
        return data
    return data.model_copy(update={"corrects": (*(data.corrects or ()), *ids)})


def _retract_reminders(
    foreseen: list[Announcement],
    said: dict[str, Said],
    known: Standing,
    speaker: Speaker,
    now: datetime,
) -> None:
    """A reminder whose period moved, was refunded or will not renew is retracted, once."""
    wanted = {announcement.key for announcement in foreseen}
    for item in list(said.values()):
        kind, _, rest = item.key.partition(":")
        if kind != "reminder" or item.key in wanted or item.value:
            continue
        renews, end = rest.split(" ")
        period_id, ended_at = UUID(renews), datetime.fromisoformat(end)
        period = known.period(period_id)
        fulfilled = ended_at <= now or any(p.start == ended_at for p in known.history.counting)
        if period and not fulfilled:
            data = billing.ReminderRetracted(
                fact_id=period.fact_id,
                effective_at=now,
                corrects=(item.event_id,),
                renews=period_id,
                end=ended_at,
            )
            speaker.say(data, now)
        said[item.key] = Said(item.key, item.event_id, "over")
