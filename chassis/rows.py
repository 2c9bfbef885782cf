"""State rows: loaded under lock in id order, saved by version, a fixed number of statements per batch."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic
from uuid import UUID

from chassis.aggregate import Aggregate, S
from chassis.errors import TransientError
from chassis.postgres import Connection

_PARKED = "parked:"
#: The body of a row that was never decided on; views read it as JSON.
_NEW = "null"
#: In place of a dead letter's place: it was given up, its number is done when its turn comes.
DISCARDED = ""


@dataclass(slots=True)
class Row(Generic[S]):
    """One aggregate's state with its place in the streams.

    `parked` are the unsettled dead letters by topic and sequence, with their places.
    """

    id: UUID
    version: int
    state: S
    decided_at: datetime
    due_at: datetime | None
    waiting: bool
    positions: dict[str, int]
    sequences: dict[str, int]
    parked: dict[str, dict[int, str]] = field(default_factory=dict)
    changed: bool = False

    def next_sequence(self, topic: str) -> int:
        """The next gapless number on a topic for this key."""
        self.sequences[topic] = self.sequences.get(topic, 0) + 1
        return self.sequences[topic]


class RowStore(Generic[S]):
    """Loads and saves the rows of one aggregate's table."""

    def __init__(self, aggregate: Aggregate[S]) -> None:
        self._aggregate = aggregate
        table = aggregate.table
        self._insert = (
            f"insert into {table} (id, version, decided_at, positions, sequences, body)"
            f" select id, 0, '2000-01-01Z', '{{}}', '{{}}', '{_NEW}' from unnest($1::uuid[]) as id order by id"
            " on conflict do nothing"
        )
        self._load = (
            "select id, version, due_at, decided_at, waiting, positions, sequences, body"
            f" from {table} where id = any($1) order by id for update"
        )
        self._due = (
            "select id, version, due_at, decided_at, waiting, positions, sequences, body"
            f" from {table} where due_at <= $1 and not waiting"
            " order by due_at, id limit $2 for update skip locked"
        )
        self._next_due = f"select min(due_at) from {table} where due_at is not null and not waiting"
        self._save = (
            f"update {table} as old set version = old.version + 1, due_at = new.due_at,"
            " decided_at = new.decided_at, waiting = new.waiting, positions = new.positions::json,"
            " sequences = new.sequences::json, body = new.body"
            " from unnest($1::uuid[], $2::bigint[], $3::timestamptz[], $4::timestamptz[], $5::boolean[],"
            " $6::text[], $7::text[], $8::text[]) as new (id, version, due_at, decided_at, waiting,"
            " positions, sequences, body) where old.id = new.id and old.version = new.version"
        )

    async def lock(self, connection: Connection, ids: Sequence[UUID]) -> dict[UUID, Row[S]]:
        """The rows of these ids, locked in id order; missing ones are made empty."""
        wanted = sorted(set(ids))
        if not wanted:
            return {}
        await connection.execute(self._insert, wanted)
        return {r["id"]: self._row(r) for r in await connection.fetch(self._load, wanted)}

    async def lock_due(
        self, connection: Connection, now: datetime, limit: int
    ) -> dict[UUID, Row[S]]:
        """Rows whose time has come, locked; those that another scanner holds are skipped."""
        return {r["id"]: self._row(r) for r in await connection.fetch(self._due, now, limit)}

    async def next_due(self, connection: Connection) -> datetime | None:
        """The earliest deadline of all rows."""
        due: datetime | None = await connection.fetchval(self._next_due)
        return due

    def _row(self, record: Any) -> Row[S]:
        positions = json.loads(record["positions"])
        parked = {
            name.removeprefix(_PARKED): {int(k): v for k, v in positions.pop(name).items()}
            for name in list(positions)
            if name.startswith(_PARKED)
        }
        body = record["body"]
        return Row(
            id=record["id"],
            version=record["version"],
            state=self._aggregate.decode(body)
            if body != _NEW
            else self._aggregate.empty(record["id"]),
            decided_at=record["decided_at"],
            due_at=record["due_at"],
            waiting=record["waiting"],
            positions=positions,
            sequences=json.loads(record["sequences"]),
            parked=parked,
        )

    async def save(self, connection: Connection, rows: Sequence[Row[S]]) -> None:
        """Save changed rows. Raises TransientError when somebody else changed one meanwhile."""
        changed = [row for row in rows if row.changed]
        if not changed:
            return
        encode = self._aggregate.encode
        done = await connection.execute(
            self._save,
            [row.id for row in changed],
            [row.version for row in changed],
            [row.due_at for row in changed],
            [row.decided_at for row in changed],
            [row.waiting for row in changed],
            [_positions(row) for row in changed],
            [json.dumps(row.sequences) for row in changed],
            [encode(row.state) for row in changed],
        )
        if done != f"UPDATE {len(changed)}":
            raise TransientError("a state row was changed by somebody else")


def _positions(row: Row[Any]) -> str:
    parked = {f"{_PARKED}{topic}": places for topic, places in row.parked.items()}
    return json.dumps({**row.positions, **parked})
