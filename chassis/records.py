"""Records as they come from Kafka, and what becomes of them on their way into the inbox."""

from dataclasses import dataclass, replace
from uuid import UUID

from aiokafka import ConsumerRecord

from contracts.envelope import Envelope
from contracts.topics import TOPICS, Topic

#: A message may have this many bytes; dead letters and their redrive may have more.
BYTES_MAX = 64 * 1024
_NAMES = frozenset(topic.name for topic in TOPICS)
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
    partition = _number(given.get("redrive-partition", ""), digits=9)
    offset = _number(given.get("redrive-offset", ""), digits=18)
    if given.get("redrive-topic") not in _NAMES or partition is None or offset is None:
        return read
    taken_ms = _number(given.get("redrive-timestamp", ""), digits=18)
    return replace(
        read,
        topic=given["redrive-topic"],
        partition=partition,
        offset=offset,
        timestamp_ms=read.timestamp_ms if taken_ms is None else taken_ms,
        redriven=True,
        discarded=given.get("redrive-action") == "discard",
    )


def _number(text: str, digits: int) -> int | None:
    """A number that its column can hold; anybody may write headers."""
    return int(text) if text.isdecimal() and len(text) <= digits else None
