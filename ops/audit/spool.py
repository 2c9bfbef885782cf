"""A spool on disk for the topics: written in the order of the topics, read by subscription."""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Self
from uuid import UUID

from aiokafka import ConsumerRecord

from contracts.topics import BILLING_EVENTS, DEAD_LETTERS, PAYMENTS_EVENTS, PAYMENTS_REQUESTS
from contracts.values import subscription_id
from ops.tail_lines import headers_of

_BY_REFERENCE = (PAYMENTS_EVENTS.name, PAYMENTS_REQUESTS.name)
_LETTERS = DEAD_LETTERS["billing"].name
assert PAYMENTS_EVENTS.readers == (BILLING_EVENTS.writer,)

_TABLES = """
create table message (subscription blob, topic text, partition int, position int, value blob);
create table letter (partition int, position int, primary key (partition, position));
"""
_INDEX = "create index if not exists by_subscription on message (subscription, topic, position)"
_READ = """
select subscription, topic, value from message
where subscription > ? and subscription <= ?
  and not (topic = ? and exists (select 1 from letter
           where letter.partition = message.partition and letter.position = message.position))
order by subscription, topic, position
"""
_NTH = """
select distinct subscription from message where subscription > ? order by 1 limit 1 offset ?
"""


class Spool:
    """Records by subscription, on disk until it is closed; `with Spool() as spool`."""

    def __init__(self, only: Collection[UUID] | None = None) -> None:
        """Keeps the records of all subscriptions, or of some."""
        self._only = None if only is None else {id.bytes for id in only}
        # A private file without a name, in TMPDIR: however we end, it is gone.
        self._file = sqlite3.connect("")
        # Nothing has to survive a crash: it is read once and thrown away.
        self._file.execute("pragma journal_mode = off")
        self._file.execute("pragma synchronous = off")
        self._file.executescript(_TABLES)

    def __enter__(self) -> Self:
        """Ready."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove the file."""
        self._file.close()

    def add(self, topic: str, records: Iterable[ConsumerRecord]) -> None:
        """Keep records of a topic, named as the topic table has it."""
        if topic == _LETTERS:
            self._add_letters(records)
            return
        rows = [
            (id, topic, record.partition, record.offset, record.value)
            for record in records
            if record.value is not None and (id := self._subscription(topic, record))
        ]
        self._file.executemany("insert into message values (?, ?, ?, ?, ?)", rows)

    def _add_letters(self, records: Iterable[ConsumerRecord]) -> None:
        """What billing could not process is answered by an operator, not by billing."""
        origins = [headers_of(record) for record in records]
        places = [
            (int(origin["dlq-partition"]), int(origin["dlq-offset"]))
            for origin in origins
            if origin.get("dlq-topic", "").endswith(PAYMENTS_EVENTS.name)
        ]
        self._file.executemany("insert or ignore into letter values (?, ?)", places)

    def _subscription(self, topic: str, record: ConsumerRecord) -> bytes | None:
        """The subscription that a record is about; None when it is none of those wanted, or unreadable."""
        id: bytes | None = None
        with suppress(ValueError, KeyError, TypeError, AttributeError, RecursionError):
            if topic in _BY_REFERENCE:
                message = json.loads(record.value)
                id = subscription_id(message["providerid"], message["subject"]).bytes
            else:
                id = UUID((record.key or b"").decode()).bytes
        return id if self._only is None or id in self._only else None

    def finish(self) -> None:
        """All records were added; afterwards they can be read."""
        self._file.execute(_INDEX)
        self._file.commit()

    def after(self, last: UUID, count: int) -> UUID | None:
        """The subscription that stands `count` places after `last`; None when there are fewer."""
        row = self._file.execute(_NTH, (last.bytes, count - 1)).fetchone()
        return UUID(bytes=row[0]) if row else None

    def read(self, after: UUID, to: UUID) -> Mapping[UUID, Mapping[str, list[bytes]]]:
        """The values of the subscriptions after one id up to another, by topic in the order of offsets."""
        found: dict[UUID, dict[str, list[bytes]]] = defaultdict(lambda: defaultdict(list))
        for id, topic, value in self._file.execute(
            _READ, (after.bytes, to.bytes, PAYMENTS_EVENTS.name)
        ):
            found[UUID(bytes=id)][topic].append(value)
        return found
