"""A database for the made-up aggregate, and its processor without Kafka around it."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio

from chassis import migrations, postgres
from chassis.clock import Clock
from chassis.dead_letters import Limits
from chassis.processing import Processor
from chassis.tracing import OFF, Traces
from ops.database import schemas
from tests.chassis import tally
from tests.support.worker_stack import WorkerStack, create

SQL = Path(__file__).parent / "sql"


@pytest_asyncio.fixture(scope="session")
async def stack(stack: WorkerStack) -> WorkerStack:
    """Topics and a database of their own: these tests write what the real services must not read."""
    made = stack.with_prefix(f"{stack.prefix}chassis-", f"{stack.name}_chassis")
    await create(made)
    return made


@pytest_asyncio.fixture(scope="session")
async def tally_dsn(stack: WorkerStack) -> AsyncIterator[str]:
    """The address of a database with the tables of the made-up aggregate, as its service role."""
    name = f"{stack.name}_tally"
    await stack.create_database(name, template="template1")
    ops = next(schema for schema in schemas() if schema.name == "ops")
    await migrations.migrate(
        stack.dsn("migrator", name), [ops, migrations.service_schema("billing", SQL)]
    )
    yield stack.dsn("billing", name)
    await stack.drop_database(name)


@pytest_asyncio.fixture(scope="session")
async def pool(tally_dsn: str) -> AsyncIterator[asyncpg.Pool]:
    """A pool as a service has it."""
    made = await postgres.open_pool(tally_dsn, "billing", "work")
    yield made
    await made.close()


@dataclass
class Desk:
    """A processor of the made-up aggregate, and questions about what it left in the database."""

    processor: Processor[Any]
    pool: asyncpg.Pool
    topics: tally.Topics = field(default_factory=tally.Topics)
    id: UUID = field(default_factory=uuid4)
    ops_dsn: str = ""

    async def set_clock(self, now: datetime) -> None:
        """Move the virtual clock, which services may only read."""
        connection = await asyncpg.connect(self.ops_dsn)
        await connection.execute(
            "insert into ops.clock (now) values ($1) on conflict (one) do update set now = $1", now
        )
        await connection.close()

    async def notes(self, id: UUID | None = None) -> list[str]:
        """What the aggregate noted."""
        body = await self.pool.fetchval("select body from tally where id = $1", id or self.id)
        return list(tally._decode(body).notes) if body not in (None, "null") else []

    async def waiting(self) -> bool:
        """Whether the row is skipped by the due scan."""
        return bool(await self.pool.fetchval("select waiting from tally where id = $1", self.id))

    async def statuses(self) -> list[str]:
        """The statuses in the inbox, by place."""
        rows = await self.pool.fetch('select status from inbox order by topic, "offset"')
        return [row["status"] for row in rows]

    async def dead_letters(self) -> list[dict[str, str]]:
        """The headers of the dead letters in the outbox, in order."""
        rows = await self.pool.fetch(
            "select headers from outbox where topic = 'billing.dlq' order by id"
        )
        return [tally.loads(row["headers"]) for row in rows]

    async def told(self) -> list[dict[str, Any]]:
        """The messages to be published, in order."""
        rows = await self.pool.fetch(
            "select value from outbox where topic <> 'billing.dlq' order by id"
        )
        return [tally.loads(row["value"]) for row in rows]


@pytest_asyncio.fixture
async def desk(pool: asyncpg.Pool, stack: WorkerStack) -> AsyncIterator[Desk]:
    """A processor with empty tables."""
    for table in ("tally", "inbox", "outbox", "outbox_dead", "held"):
        await pool.execute(f"delete from {table}")
    yield Desk(make_processor(pool), pool, ops_dsn=stack.dsn("ops", f"{stack.name}_tally"))


def make_processor(
    pool: asyncpg.Pool,
    limits: Limits | None = None,
    wake: Callable[[bool, bool], None] = lambda published, near: None,
    clock: Clock | None = None,
    traces: Traces = OFF,
    **changes: Any,
) -> Processor[Any]:
    """A processor whose aggregate has these changes."""
    return Processor(
        "billing",
        tally.aggregate(**changes),
        pool,
        clock or Clock("real"),
        limits or Limits(1000, 1.0),
        wake,
        traces,
    )


@pytest.fixture
def topics() -> tally.Topics:
    """Empty topics."""
    return tally.Topics()
