"""A made-up aggregate in billing's place: it notes what it is told, tells each note, and has alarms.

Commands (`billing.cancel.v1` with a reason) and mail outcomes come in, `billing.cancellation-withdrawn.v1`
goes out. Reasons that misbehave on purpose are constants below.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from json import dumps, loads
from typing import Any
from uuid import UUID, uuid4

from chassis.aggregate import Aggregate
from chassis.records import Record
from contracts import notifications
from contracts.base import Data
from contracts.billing import CancellationWithdrawn
from contracts.catalogue import ENVELOPES
from contracts.commands import Cancel
from contracts.envelope import Envelope
from contracts.errors import Impossible
from contracts.outgoing import Outgoing, Speaker, TimePassed
from contracts.topics import BILLING_COMMANDS, NOTIFICATIONS_EVENTS

START = datetime(2026, 1, 1, tzinfo=UTC)
#: The decision refuses the message.
IMPOSSIBLE = "impossible"
#: The database refuses what the decision made of it.
UNSTORABLE = "unstorable"
#: The decision has a mistake.
MISTAKE = "mistake"
#: The next alarm rings after this many milliseconds: "alarm-50".
ALARM = "alarm-"
#: After an alarm the deadline stays where it was, which is a mistake.
SNOOZE = "snooze"


@dataclass(frozen=True)
class Tally:
    """What was noted, in order, and when the alarm rings."""

    id: UUID
    notes: tuple[str, ...] = ()
    alarm: datetime | None = None


def decide(state: Tally, message: Any, now: datetime) -> tuple[Tally, tuple[Outgoing, ...]]:
    """Note the message and tell it."""
    note = _note(message)
    if note == IMPOSSIBLE:
        raise Impossible("made_up", "The message is impossible.")
    if note == MISTAKE:
        raise ZeroDivisionError("a mistake in the decision")
    alarm = state.alarm
    if note.startswith(ALARM):
        alarm = now + timedelta(milliseconds=int(note.removeprefix(ALARM)))
    elif isinstance(message, TimePassed) and SNOOZE not in state.notes:
        alarm = None
    speaker = Speaker("billing", message.cause_id, str(state.id), "online-store")
    told = CancellationWithdrawn(
        fact_id=message.cause_id, effective_at=now, cancellation_id=message.cause_id
    )
    speaker.say(told, now)
    return replace(state, notes=(*state.notes, note), alarm=alarm), tuple(speaker.said)


def _note(message: Any) -> str:
    if isinstance(message, TimePassed):
        return "time"
    data = message.data
    return str(data.reason) if isinstance(data, Cancel) else str(data.requested_by)


def _encode(state: Tally) -> str:
    if UNSTORABLE in state.notes:
        return "\x00"
    alarm = state.alarm.isoformat() if state.alarm else None
    return dumps({"id": str(state.id), "notes": state.notes, "alarm": alarm})


def _decode(body: str) -> Tally:
    found = loads(body)
    alarm = datetime.fromisoformat(found["alarm"]) if found["alarm"] else None
    return Tally(UUID(found["id"]), tuple(found["notes"]), alarm)


def aggregate(**changes: Any) -> Aggregate[Tally]:
    """The aggregate as a service gives it to the chassis."""
    made: Aggregate[Tally] = Aggregate(
        table="tally",
        empty=Tally,
        decode=_decode,
        encode=_encode,
        key_of=lambda envelope: UUID(envelope.subject),
        decide=decide,
        next_deadline=lambda state: state.alarm,
    )
    return replace(made, **changes)


def envelope(subject: UUID | str, data: Data, **given: Any) -> Envelope:
    """A message around `data`."""
    usual: dict[str, Any] = {
        "specversion": "1.0",
        "id": str(uuid4()),
        "source": "/tenure/ops",
        "type": data.TYPE,
        "subject": str(subject),
        "time": START,
        "providerid": "online-store",
        "data": data,
    }
    return ENVELOPES[data.TYPE](**{**usual, **given})


def command(subject: UUID | str, note: str, **given: Any) -> Envelope:
    """A command that says `note`."""
    return envelope(subject, Cancel(channel="support", reason=note), **given)


def outcome(subject: UUID | str, note: str, sequence: int, **given: Any) -> Envelope:
    """A message of one of our own services, number `sequence` of its key."""
    data = notifications.MailRequested(
        notice_id=uuid4(), kind="receipt", requested_by=note, at=START
    )
    return envelope(subject, data, source="/tenure/notifications", sequence=sequence, **given)


class Topics:
    """Gives records their places, as Kafka would: one partition per topic."""

    def __init__(self) -> None:
        """All topics are empty."""
        self._ends: dict[str, int] = {}

    def record(self, topic: str, key: bytes | None, value: bytes | None, **more: Any) -> Record:
        """The next record of a topic."""
        offset = self._ends[topic] = self._ends.get(topic, -1) + 1
        return Record(topic, 0, offset, 1, key, value, **more)

    def of(self, message: Envelope) -> Record:
        """The next record with this message, on the topic it belongs to."""
        topic = BILLING_COMMANDS if isinstance(message.data, Cancel) else NOTIFICATIONS_EVENTS
        return self.record(topic.name, message.subject.encode(), message.to_json())


def redriven(parked: Record, message: Envelope | None = None, discard: bool = False) -> Record:
    """A dead letter as it comes back from the redrive topic, as it was or with another message."""
    value = parked.value if message is None else message.to_json()
    key = parked.key if message is None else message.subject.encode()
    return replace(parked, key=key, value=value, redriven=True, discarded=discard)
