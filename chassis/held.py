"""Messages of our own topics that wait: for a gap in their sequence, or behind a dead letter."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from chassis.postgres import Connection
from chassis.records import Record

_HOLD = """
insert into held (topic, key, sequence, partition, "offset", timestamp_ms, value, reason, headers)
select topic, key, sequence, partition, "offset", timestamp_ms, value, reason, headers::json
from unnest($1::text[], $2::text[], $3::bigint[], $4::int[], $5::bigint[], $6::bigint[], $7::bytea[],
            $8::text[], $9::text[])
    as new (topic, key, sequence, partition, "offset", timestamp_ms, value, reason, headers)
on conflict do nothing
"""

_WAITING = """
select topic, key, sequence, partition, "offset", timestamp_ms, value, headers
from held where key = any($1) order by topic, key, sequence
"""

_RELEASE = """
delete from held using unnest($1::text[], $2::text[], $3::bigint[]) as done (topic, key, sequence)
where held.topic = done.topic and held.key = done.key and held.sequence = done.sequence
"""


@dataclass(frozen=True, slots=True)
class Held:
    """A waiting record and its sequence."""

    record: Record
    key: str
    sequence: int
    reason: str = "gap"


async def hold(connection: Connection, rows: Sequence[Held]) -> None:
    """Keep records until the gap before them is filled."""
    if rows:
        await connection.execute(
            _HOLD,
            [row.record.topic for row in rows],
            [row.key for row in rows],
            [row.sequence for row in rows],
            [row.record.partition for row in rows],
            [row.record.offset for row in rows],
            [row.record.timestamp_ms for row in rows],
            [row.record.value for row in rows],
            [row.reason for row in rows],
            [_headers(row.record) for row in rows],
        )


async def waiting(connection: Connection, keys: Sequence[str]) -> list[Held]:
    """All waiting records of these keys, in the order of their sequence."""
    rows = await connection.fetch(_WAITING, list(keys))
    return [
        Held(
            Record(
                row["topic"],
                row["partition"],
                row["offset"],
                row["timestamp_ms"],
                row["key"].encode(),
                row["value"],
                tuple((name, value.encode()) for name, value in json.loads(row["headers"])),
            ),
            row["key"],
            row["sequence"],
        )
        for row in rows
    ]


async def release(connection: Connection, rows: Sequence[Held]) -> None:
    """Forget records that are processed now."""
    if rows:
        await connection.execute(
            _RELEASE,
            [row.record.topic for row in rows],
            [row.key for row in rows],
            [row.sequence for row in rows],
        )


def _headers(record: Record) -> str:
    return json.dumps(
        [(name, (value or b"").decode(errors="replace")) for name, value in record.headers]
    )
