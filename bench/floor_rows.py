"""The rows of the floor: the same tables as Tenure's, with the fewest set-based statements."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID
from zlib import crc32

import asyncpg
from aiokafka import ConsumerRecord

from contracts.catalogue import decode
from contracts.envelope import Envelope

_SHARDS = 16
_FAR = timedelta(days=335)
_CLAIM = """
insert into inbox (consumer, source, id, sha, topic, partition, "offset", status)
select $1, source, id, sha, topic, partition, "offset", 'done'
from unnest($2::text[], $3::text[], $4::bytea[], $5::text[], $6::int[], $7::bigint[])
    as new (source, id, sha, topic, partition, "offset")
order by source, id on conflict do nothing returning source, id
"""
_LOAD = "select id, positions, sequences, body from {} where id = any($1) order by id for update"
_SAVE = """
insert into {0} as old (id, version, due_at, decided_at, positions, sequences, body)
select id, 1, $2, $3, positions::json, sequences::json, body
from unnest($1::uuid[], $4::text[], $5::text[], $6::text[]) as new (id, positions, sequences, body)
order by id
on conflict (id) do update set version = old.version + 1, due_at = excluded.due_at,
    decided_at = excluded.decided_at, positions = excluded.positions,
    sequences = excluded.sequences, body = excluded.body
"""
_OUT = """
insert into outbox (shard, topic, key, event_id, type, value)
select shard, topic, key, event_id, type, value
from unnest($1::smallint[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::bytea[])
    with ordinality as new (shard, topic, key, event_id, type, value, position) order by position
"""


@dataclass(slots=True)
class State:
    """A state row without a state: where it is in its streams, and a body that is only carried."""

    id: UUID
    positions: dict[str, int] = field(default_factory=dict)
    sequences: dict[str, int] = field(default_factory=dict)
    body: str = ""

    def next_sequence(self, topic: str) -> int:
        """The next number on a topic."""
        self.sequences[topic] = self.sequences.get(topic, 0) + 1
        return self.sequences[topic]


@dataclass(frozen=True, slots=True)
class Message:
    """A decoded record and where it came from."""

    topic: str
    record: ConsumerRecord
    envelope: Envelope


@dataclass(frozen=True, slots=True)
class Out:
    """One message to be published."""

    topic: str
    key: str
    id: UUID
    type: str
    value: bytes


def decoded(topic: str, records: Sequence[ConsumerRecord]) -> list[Message]:
    """The envelopes of fetched records; `topic` is their logical name."""
    return [Message(topic, record, decode(record.value)) for record in records]


async def claim(
    connection: asyncpg.Connection, consumer: str, messages: Sequence[Message]
) -> list[Message]:
    """Those that the inbox did not know."""
    rows = await connection.fetch(
        _CLAIM,
        consumer,
        [m.envelope.source for m in messages],
        [m.envelope.id for m in messages],
        [sha256(m.record.value).digest() for m in messages],
        [m.topic for m in messages],
        [m.record.partition for m in messages],
        [m.record.offset for m in messages],
    )
    new = {(row["source"], row["id"]) for row in rows}
    return [m for m in messages if (m.envelope.source, m.envelope.id) in new]


async def load(
    connection: asyncpg.Connection, table: str, ids: Sequence[UUID]
) -> dict[UUID, State]:
    """The locked states of these ids."""
    states = {id: State(id) for id in sorted(set(ids))}
    for row in await connection.fetch(_LOAD.format(table), list(states)):
        positions, sequences = json.loads(row["positions"]), json.loads(row["sequences"])
        states[row["id"]] = State(row["id"], positions, sequences, row["body"])
    return states


async def save(connection: asyncpg.Connection, table: str, states: Mapping[UUID, State]) -> None:
    """Write all states, in id order."""
    now, rows = datetime.now(UTC), list(states.values())
    await connection.execute(
        _SAVE.format(table),
        [row.id for row in rows],
        now + _FAR,
        now,
        [json.dumps(row.positions) for row in rows],
        [json.dumps(row.sequences) for row in rows],
        [row.body for row in rows],
    )


async def publish(connection: asyncpg.Connection, out: Sequence[Out]) -> None:
    """Put messages into the outbox, in order."""
    await connection.execute(
        _OUT,
        [crc32(o.key.encode()) % _SHARDS for o in out],
        [o.topic for o in out],
        [o.key for o in out],
        [o.id for o in out],
        [o.type for o in out],
        [o.value for o in out],
    )
