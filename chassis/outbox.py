"""The outbox: messages leave in the transaction of the state that they tell."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4
from zlib import crc32

import asyncpg

from chassis.aggregate import Caused, Tombstone
from chassis.errors import PoisonMessage
from chassis.postgres import Connection
from chassis.records import BYTES_MAX
from contracts.catalogue import ENVELOPES
from contracts.envelope import CONTENT_TYPE, OWN_SOURCE, TRACEPARENT, Envelope
from contracts.outgoing import Outgoing

SHARDS = 16
#: Names this process in notifications: its own relay is woken without them.
SENDER = str(uuid4())

_ADD = """
with added as (
    insert into outbox (shard, topic, key, event_id, type, value, headers)
    select shard, topic, key, event_id, type, value, headers::json
    from unnest($1::smallint[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::bytea[], $7::text[])
        with ordinality as new (shard, topic, key, event_id, type, value, headers, position)
    order by position
)
select pg_notify($8, $9)
"""


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One message ready to be published; a tombstone has no value."""

    topic: str
    key: str
    event_id: UUID
    type: str
    value: bytes | None
    headers: dict[str, str] | None = None


def channel(service: str) -> str:
    """The notification channel that wakes the relay of a service."""
    return f"tenure_outbox_{service}"


def shard_of(key: str) -> int:
    """The shard of a key; all messages of a key are published in order by one relay."""
    return crc32(key.encode()) % SHARDS


async def add(connection: Connection, service: str, rows: Sequence[OutboxRow]) -> None:
    """Add messages in order and notify the relays of other processes at commit.

    Raises PoisonMessage when one of them is in the outbox already.
    """
    if not rows:
        return
    try:
        await connection.execute(_ADD, *_columns(rows), channel(service), SENDER)
    except asyncpg.UniqueViolationError:
        # Ids follow from their cause, so this message has had its effect under another id.
        raise PoisonMessage(
            "repeated_effect", "What follows from this message was said before."
        ) from None


def _columns(rows: Sequence[OutboxRow]) -> tuple[list[object], ...]:
    return (
        [shard_of(row.key) for row in rows],
        [row.topic for row in rows],
        [row.key for row in rows],
        [row.event_id for row in rows],
        [row.type for row in rows],
        [row.value for row in rows],
        [json.dumps(row.headers) if row.headers else None for row in rows],
    )


def sealed(
    service: str,
    outgoing: Outgoing,
    cause: Caused,
    topic: str,
    sequence: int | None,
    now: datetime,
) -> OutboxRow:
    """An outgoing message in its envelope. Raises ValueError when it is larger than a message may be."""
    type = outgoing.data.TYPE
    correlation, caused_by = _chain(cause)
    envelope = ENVELOPES[type](
        specversion="1.0",
        id=str(outgoing.id),
        source=f"{OWN_SOURCE}{service}",
        type=type,
        subject=outgoing.key,
        time=outgoing.time,
        recordedat=now,
        dataschema=f"urn:tenure:{type}",
        providerid=outgoing.provider_id,
        correlationid=correlation,
        causationid=caused_by,
        sequence=sequence,
        policyversion=outgoing.policy_version,
        traceparent=cause.traceparent,
        data=outgoing.data,
    )
    value = envelope.to_json()
    if len(value) > BYTES_MAX:
        raise ValueError(f"{type} has {len(value)} bytes; {BYTES_MAX} are allowed")
    headers = None
    if cause.traceparent:
        headers = {**usual_headers(type), TRACEPARENT: cause.traceparent}
    return OutboxRow(topic, outgoing.key, outgoing.id, type, value, headers)


def usual_headers(type: str) -> dict[str, str]:
    """The headers of a structured CloudEvent; a row without headers of its own has these."""
    return {"content-type": CONTENT_TYPE, "ce_type": type}


def tombstone(service: str, stone: Tombstone, topic: str, now: datetime) -> OutboxRow:
    """A record without a value; what an envelope would say is in its headers, named as CloudEvents does."""
    correlation, caused_by = _chain(stone.cause)
    said = {
        "specversion": "1.0",
        "id": str(stone.id),
        "source": f"{OWN_SOURCE}{service}",
        "type": stone.type,
        "subject": stone.key,
        "time": stone.time.isoformat(),
        "recordedat": now.isoformat(),
        "providerid": stone.provider_id,
        "correlationid": correlation,
        "causationid": caused_by,
        "sequence": str(stone.sequence),
    }
    headers = {f"ce_{name}": value for name, value in said.items()}
    if stone.cause.traceparent:
        headers[TRACEPARENT] = stone.cause.traceparent
    return OutboxRow(topic, stone.key, stone.id, stone.type, None, headers)


def _chain(cause: Caused) -> tuple[str, str]:
    """The first message of the chain of causes, and the last one."""
    if isinstance(cause, Envelope):
        return cause.correlationid or cause.id, cause.id
    return str(cause.cause_id), str(cause.cause_id)
