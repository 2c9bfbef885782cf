"""State rows: loaded under lock in id order, saved by version, a fixed number of statements per batch."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, Generic
from uuid import UUID

from chassis.aggregate import Aggregate, S
from chassis.errors import TransientError
from chassis.postgres import Connection

_PARKED = "parked:"
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
#: In place of a dead letter's place: it was given up, its number is done when its turn comes.
DISCARDED = ""


@dataclass(slots=True)
class Row(Generic[S]):
    """One aggregate's state with its place in the streams.

    `parked` are the unsettled dead letters by topic and sequence, with their places. Version 0 is
    not stored yet; `stored` is the state as it was loaded.
    """

    id: UUID
    version: int
    state: S
    stored: S | None
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
            f"insert into {table} (id, version, due_at, decided_at, waiting, positions, sequences, body)"
            " select id, 1, due_at, decided_at, waiting, positions::json, sequences::json, body"
            " from unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::boolean[], $5::text[],"
            " $6::text[], $7::text[]) as new (id, due_at, decided_at, waiting, positions, sequences, body)"
            " order by id on conflict do nothing"
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
        self._next_due = f"select min(due_at) from {table} where due_at <= $1 and not waiting"
        self._update = (
            f"update {table} as old set version = old.version + 1, due_at = new.due_at,"
            " decided_at = new.decided_at, waiting = new.waiting, positions = new.positions::json,"
            " sequences = new.sequences::json, body = coalesce(new.body, old.body)"
            " from unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::boolean[], $5::text[],"
            " $6::text[], $7::text[], $8::bigint[]) as new (id, due_at, decided_at, waiting,"
            " positions, sequences, body, version) where old.id = new.id and old.version = new.version"
        )

    async def lock(self, connection: Connection, ids: Sequence[UUID]) -> dict[UUID, Row[S]]:
        """The rows of these ids, locked in id order; new ones are stored when they are saved."""
        wanted = sorted(set(ids), key=attrgetter("int"))
        if not wanted:
            return {}
        found = {r["id"]: self._row(r) for r in await connection.fetch(self._load, wanted)}
        return {id: found.get(id) or self._new(id) for id in wanted}

    async def lock_due(
        self, connection: Connection, now: datetime, limit: int
    ) -> dict[UUID, Row[S]]:
        """Rows whose time has come, locked; those that another scanner holds are skipped."""
        return {r["id"]: self._row(r) for r in await connection.fetch(self._due, now, limit)}

    async def next_due(self, connection: Connection, until: datetime) -> datetime | None:
        """The earliest deadline up to an instant: what lies beyond would be sought among dead entries."""
        due: datetime | None = await connection.fetchval(self._next_due, until)
        return due

    def _new(self, id: UUID) -> Row[S]:
        state = self._aggregate.empty(id)
        return Row(id, 0, state, None, _LONG_AGO, None, waiting=False, positions={}, sequences={})

    def _row(self, record: Any) -> Row[S]:
        positions = json.loads(record["positions"])
        parked = {
            name.removeprefix(_PARKED): {int(k): v for k, v in positions.pop(name).items()}
            for name in list(positions)
            if name.startswith(_PARKED)
        }
        state = self._aggregate.decode(record["body"])
        return Row(
            id=record["id"],
            version=record["version"],
            state=state,
            stored=state,
            decided_at=record["decided_at"],
            due_at=record["due_at"],
            waiting=record["waiting"],
            positions=positions,
            sequences=json.loads(record["sequences"]),
            parked=parked,
        )

    async def save(self, connection: Connection, rows: Sequence[Row[S]]) -> None:
        """Save changed rows. Raises TransientError when somebody else changed one meanwhile."""
        new = [row for row in rows if row.changed and not row.version]
        old = [row for row in rows if row.changed and row.version]
        if new:
            done = await connection.execute(self._insert, *self._columns(new))
            _expect(done, f"INSERT 0 {len(new)}")
        if old:
            versions = [row.version for row in old]
            done = await connection.execute(self._update, *self._columns(old), versions)
            _expect(done, f"UPDATE {len(old)}")

    def _columns(self, rows: Sequence[Row[S]]) -> tuple[list[object], ...]:
        encode = self._aggregate.encode
        return (
            [row.id for row in rows],
            [row.due_at for row in rows],
            [row.decided_at for row in rows],
            [row.waiting for row in rows],
            [_positions(row) for row in rows],
            [json.dumps(row.sequences) for row in rows],
            [None if row.state is row.stored else encode(row.state) for row in rows],
        )


def _expect(done: str, wanted: str) -> None:
    if done != wanted:
        raise TransientError("a state row was changed by somebody else")


def _positions(row: Row[Any]) -> str:
    parked = {f"{_PARKED}{topic}": places for topic, places in row.parked.items()}
    return json.dumps({**row.positions, **parked})
