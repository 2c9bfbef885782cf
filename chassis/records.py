"""Records as they come from Kafka, and what is wrong with those that cannot be read."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from aiokafka import ConsumerRecord
from pydantic import ValidationError

from contracts.catalogue import MESSAGES, InvalidMessage, decode
from contracts.envelope import OWN_SOURCE, Envelope
from contracts.topics import PAYMENTS_EVENTS, TOPIC_OF, TOPICS, Topic

#: A message may have this many bytes; dead letters and their redrive may have more.
BYTES_MAX = 64 * 1024
_NAMES = frozenset(topic.name for topic in TOPICS)
#: Clocks of others may be ahead by this much; a wrong time zone shows at once as a dead letter.
FUTURE_MAX = timedelta(minutes=15)
#: An escaped NUL, but not an escaped backslash before the letters u0000.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
Headers = tuple[tuple[str, bytes | None], ...]
#: Topic, partition, offset.
Place = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Record:
    """One record under its logical topic name; a redriven one carries its origin's place."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    envelope: Envelope | None = None
    #: Sent back by an operator: the place is that of the dead letter's origin.
    redriven: bool = False
    discarded: bool = False


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a record is a dead letter: a stable code and one sentence."""

    code: str
    sentence: str


@dataclass(slots=True)
class Incoming:
    """A record on its way into the inbox: readable, ignored by its type, or with a problem."""

    record: Record
    topic: Topic
    envelope: Envelope | None = None
    problem: Problem | None = None
    ignored: bool = False
    fatal: str | None = None
    sha: bytes = b""
    #: The row that the message belongs to; None when nothing of ours is touched.
    key: UUID | None = None
    #: The dead letter that it stands for: `partition/offset` of that one's place.
    settles: str | None = None
    #: It says the same as the dead letter that it stands for.
    repeated: bool = False
    conflicting: bool = False

    @property
    def at(self) -> Place:
        """Where it is, or where the dead letter is that was sent back with it."""
        return self.record.topic, self.record.partition, self.record.offset

    @property
    def sequence(self) -> int:
        """Its number among the messages of its key. Raises ValueError when it has none."""
        if self.envelope is None or self.envelope.sequence is None:
            raise ValueError("a message without a sequence on a topic that needs one")
        return self.envelope.sequence

    @property
    def mark(self) -> tuple[str, str]:
        """The inbox key: source and id, or the place of a record that has none."""
        if self.envelope is not None:
            return self.envelope.source, self.envelope.id
        return self.place_mark

    @property
    def place_mark(self) -> tuple[str, str]:
        """The inbox key of a record that is known by its place only."""
        return f"origin:{self.record.topic}", spot(self.at)


def spot(place: Place) -> str:
    """A place within its topic: `partition/offset`."""
    return f"{place[1]}/{place[2]}"


def from_kafka(record: ConsumerRecord, topic: str) -> Record:
    """A fetched record; `topic` is its logical name."""
    headers: Headers = tuple(record.headers)
    read = Record(
        topic, record.partition, record.offset, record.timestamp, record.key, record.value, headers
    )
    if not topic.endswith(".redrive"):
        return read
    given = {name: (value or b"").decode(errors="replace") for name, value in headers}
    place = [given.get(f"redrive-{part}", "") for part in ("partition", "offset")]
    if given.get("redrive-topic") not in _NAMES or not all(part.isdecimal() for part in place):
        return read
    return replace(
        read,
        topic=given["redrive-topic"],
        partition=int(place[0]),
        offset=int(place[1]),
        redriven=True,
        discarded=given.get("redrive-action") == "discard",
    )


def read(record: Record, topic: Topic, own: bool) -> Incoming:
    """Decode a record. `own`: written by one of our services, where unknown types are ignored."""
    incoming = Incoming(record, topic)
    if record.value is None and record.key is not None and topic.kept_days is None:
        return incoming  # a tombstone
    problem = _unreadable(record)
    if problem is None and record.value is not None and record.key is not None:
        try:
            incoming.envelope = decode(record.value)
        except InvalidMessage as error:
            problem = Problem(error.code, error.sentence)
            if error.code == "unknown_type" and own:
                problem = _unknown(incoming, str(error.type))
        if incoming.envelope:
            incoming.sha, unclear = _content(record.value, incoming.envelope)
            if unclear:  # nor can its id be trusted
                incoming.envelope, problem = None, unclear
            else:
                problem = _misplaced(incoming, record.key)
    incoming.problem = problem
    return incoming


def too_far_ahead(incoming: Incoming, now: datetime) -> Problem | None:
    """A message that claims to come from the far future."""
    envelope = incoming.envelope
    if envelope is None or envelope.time <= now + FUTURE_MAX:
        return None
    return Problem("time_in_future", "Field 'time' lies more than 15 minutes ahead of our clock.")


def _unreadable(record: Record) -> Problem | None:
    if record.value is None:
        return Problem("no_value", "The record has no value.")
    if record.key is None:
        return Problem("no_key", "The record has no key; the key must be the envelope's subject.")
    if len(record.value) > BYTES_MAX:
        return Problem("too_large", f"The value has {len(record.value)} bytes; 65536 are allowed.")
    if _NUL.search(record.value):
        return Problem("invalid_field", "The value contains a NUL character.")
    return None


def _misplaced(incoming: Incoming, key: bytes) -> Problem | None:
    envelope, topic = incoming.envelope, incoming.topic
    if envelope is None:
        return None
    if not incoming.ignored and TOPIC_OF[envelope.type] is not topic:
        expected = TOPIC_OF[envelope.type].name
        return Problem("wrong_topic", f"Messages of this type belong on the topic {expected}.")
    if key != envelope.subject.encode():
        return Problem("key_mismatch", "The record's key differs from the envelope's subject.")
    if topic.sequenced and envelope.sequence is None:
        return Problem("invalid_field", "Field 'sequence' is missing.")
    if topic is PAYMENTS_EVENTS and envelope.source.startswith(OWN_SOURCE):
        # What we say is derived from the ids of our own messages: nobody else may choose them.
        return Problem("invalid_field", f"Field 'source': {OWN_SOURCE} is ours.")
    if envelope.source.startswith(OWN_SOURCE) and not _is_id(envelope.id):
        return Problem("invalid_field", "Field 'id': under a source of ours it must be a UUID.")
    return None


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _unknown(incoming: Incoming, type: str) -> Problem | None:
    """An unknown type on a topic of ours comes from a newer writer: its sequence counts, nothing else."""
    name = type.rsplit(".", 1)[0]
    if any(known.rsplit(".", 1)[0] == name for known in MESSAGES):
        incoming.fatal = f"The type '{type}' on {incoming.topic.name} is newer than this service."
        return None
    try:
        incoming.envelope = Envelope.model_validate_json(incoming.record.value or b"")
    except ValidationError:
        return Problem("not_an_envelope", "The value is no CloudEvents envelope.")
    incoming.ignored = True
    return None


class _Unclear(ValueError):
    """JSON that readers may take for different things."""


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Unclear("A field appears twice in one JSON object.")
    return found


def _no_number(name: str) -> Any:
    raise _Unclear(f"The value contains {name}, which is no JSON.")


# Kept, because json.loads and json.dumps with options make a new one for every message.
_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_number)
_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


def _content(value: bytes, envelope: Envelope) -> tuple[bytes, Problem | None]:
    """The digest that tells one content from another: type, subject, time and canonical data."""
    try:
        raw = _DECODER.decode(value.decode())
    except _Unclear as error:
        return b"", Problem("not_json", str(error))
    except (ValueError, RecursionError):
        return b"", Problem("not_json", "A number is too long, or the JSON is nested too deeply.")
    data = _canonical(raw["data"])
    time = envelope.time.isoformat()
    return sha256(f"{envelope.type}\n{envelope.subject}\n{time}\n{data}".encode()).digest(), None
