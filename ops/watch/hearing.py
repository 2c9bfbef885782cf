"""One record from any topic: counted, decoded, and given to whoever joins it. It never raises."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from chassis.telemetry import log
from contracts.catalogue import MESSAGES, InvalidMessage, decode
from contracts.envelope import Envelope
from contracts.topics import CUSTOMERS_CONTACTS, DEAD_LETTERS, LICENSING_ENTITLEMENTS, REDRIVE
from ops.watch.auditor import JOINED, Auditor
from ops.watch.latency import Latencies
from ops.watch.metrics import LATENCY, RECORDS
from ops.watch.record import At
from ops.watch.windows import Windows

_LETTERS = frozenset(topic.name for topic in DEAD_LETTERS.values())
#: Counted by their headers alone: raw bytes of anybody, addresses, or what other topics tell as well.
_UNREAD = _LETTERS | {
    CUSTOMERS_CONTACTS.name,
    LICENSING_ENTITLEMENTS.name,
    *(topic.name for topic in REDRIVE.values()),
}
#: Topic and partition.
Place = tuple[str, int]
_NOBODY = "-"
#: Garbage of the same partition is logged once in so many records.
_LOG_EVERY = 1000


@dataclass(frozen=True, slots=True)
class Heard:
    """A record as the watch needs it; `topic` without the prefix, `at_ms` the broker's time."""

    topic: str
    partition: int
    offset: int
    at_ms: int
    value: bytes | None
    headers: Mapping[str, bytes]


@dataclass(slots=True)
class Hearing:
    """Everything that the watch knows; `live` once it has read what was there at its start."""

    auditor: Auditor
    windows: Windows = field(default_factory=Windows)
    latencies: Latencies = field(default_factory=Latencies)
    live: bool = False
    #: The latest business instant that a service told.
    clock: datetime | None = None
    #: The offset that comes next, by topic and partition.
    positions: dict[Place, int] = field(default_factory=dict)
    #: The broker's time from which on a partition is known: of its first record, 0 if none went before.
    begins: dict[Place, int] = field(default_factory=dict)
    _garbage: int = 0

    def take(self, record: Heard, steady_ms: int) -> None:
        """Take one record; one that was read before, as after a rebalance, is passed over."""
        place = (record.topic, record.partition)
        if record.offset < self.positions.get(place, 0):
            return
        self.begins.setdefault(place, record.at_ms if record.offset else 0)
        self.positions[place] = record.offset + 1
        try:
            type, provider, outcome = self._understood(record, steady_ms)
        except InvalidMessage as error:
            type, provider, outcome = _NOBODY, _NOBODY, error.code
        except Exception as error:  # one record must not stop the watch over all the others
            type, provider, outcome = _NOBODY, _NOBODY, "not_understood"
            self._complain(record, error)
        garbage = type == _NOBODY and record.topic not in _UNREAD
        RECORDS.labels(record.topic, outcome if garbage else "read").inc()
        self.windows.add((record.topic, type, provider, outcome), record.at_ms)

    def starts(self, firsts: Mapping[Place, int], now_ms: int) -> None:
        """Learn where the topics begin; those of which retention left nothing are known from now on."""
        for place, first in firsts.items():
            if first > 0 and now_ms:
                self.begins.setdefault(place, now_ms)
        seen_from: dict[str, int] = {}
        for (topic, _), begin in self.begins.items():
            seen_from[topic] = max(seen_from.get(topic, 0), begin)
        self.auditor.seen_from = seen_from

    def _understood(self, record: Heard, steady_ms: int) -> tuple[str, str, str]:
        """Type, provider and outcome. Raises InvalidMessage."""
        if record.topic in _UNREAD:
            header = "dlq-code" if record.topic in _LETTERS else "ce_type"
            said = record.headers.get(header, b"").decode(errors="replace")[:64] or _NOBODY
            if record.topic in _LETTERS:
                return _NOBODY, _NOBODY, said
            return said if said in MESSAGES else _NOBODY, _NOBODY, "ok"
        message = decode(record.value or b"")
        self._tell(message, record, steady_ms)
        return message.type, message.providerid, str(getattr(message.data, "code", "ok"))

    def _tell(self, message: Envelope, record: Heard, steady_ms: int) -> None:
        self.auditor.hear(message, record.topic, At(record.at_ms, steady_ms))
        if record.topic in JOINED and message.recordedat:
            self.clock = max(self.clock or message.recordedat, message.recordedat)
        for stage, seconds in self.latencies.hear(message, record.at_ms):
            if self.live:
                LATENCY.labels(stage).observe(seconds)

    def _complain(self, record: Heard, error: Exception) -> None:
        self._garbage += 1
        if self._garbage % _LOG_EVERY == 1:
            log.error(
                "a record could not be understood",
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                error=repr(error)[:200],
            )
