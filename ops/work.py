"""What the services still have to do, by the `read_work` view of every schema: one statement."""

from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg

from ops.errors import Unavailable

_SCHEMAS = """
select table_schema from information_schema.tables where table_name = 'read_work' order by 1
"""
_CLOCK = {True: "(select now from ops.read_clock)", False: "clock_timestamp()"}


@dataclass(frozen=True)
class Item:
    """One kind of work of one schema; `stuck` needs a person, the rest is done by itself."""

    schema: str
    kind: str
    pending: int
    next_due_at: datetime | None
    stuck: int


@dataclass(frozen=True)
class Work:
    """All work at one instant of the stack's clock."""

    now: datetime
    items: tuple[Item, ...]

    @property
    def busy(self) -> tuple[str, ...]:
        """What is to be done now, named as `schema.kind (how many)`."""
        pending = [f"{i.schema}.{i.kind} ({i.pending})" for i in self.items if i.pending]
        overdue = [
            f"{i.schema}.{i.kind} since {i.next_due_at:%Y-%m-%d %H:%M:%S}"
            for i in self.items
            if i.next_due_at and i.next_due_at <= self.now
        ]
        return (*pending, *overdue)

    @property
    def next_due_at(self) -> datetime | None:
        """The next instant at which any service has something to do by itself."""
        return min((i.next_due_at for i in self.items if i.next_due_at), default=None)

    @property
    def stuck(self) -> tuple[Item, ...]:
        """What waits for a person: parked keys with their waiting messages, refused sends."""
        return tuple(item for item in self.items if item.stuck)


async def read_now(connection: "asyncpg.Connection", *, virtual: bool) -> datetime:
    """The stack's clock, in UTC. Raises Unavailable when the virtual clock was never set."""
    if not virtual:
        return datetime.now(UTC)
    return _set(await connection.fetchval("select now from ops.read_clock")).astimezone(UTC)


def _set(now: datetime | None) -> datetime:
    if now is None:
        raise Unavailable("The virtual clock was never set: run `tenure clock advance --to`.")
    return now


async def statement(connection: "asyncpg.Connection", *, virtual: bool) -> str:
    """The one statement over all schemas. Raises Unavailable when there are none yet."""
    schemas = [row["table_schema"] for row in await connection.fetch(_SCHEMAS)]
    if not schemas:
        raise Unavailable("The database has no tables yet: run `tenure db migrate`.")
    # Schema names come from the catalogue of the database itself.
    parts = [
        f"select '{schema}' as schema, kind, pending, next_due_at, stuck from {schema}.read_work"
        for schema in schemas
    ]
    parts.append(f"select '', '', 0, {_CLOCK[virtual]}, 0")
    return "\nunion all\n".join(parts)


async def read_work(connection: "asyncpg.Connection", text: str) -> Work:
    """Run the statement. Raises Unavailable when the virtual clock was never set."""
    *rows, clock = await connection.fetch(text)
    items = (Item(r["schema"], r["kind"], r["pending"], r["next_due_at"], r["stuck"]) for r in rows)
    return Work(_set(clock["next_due_at"]), tuple(items))
