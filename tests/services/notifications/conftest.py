"""One PostgreSQL and one mailbox for all tests of the mailer; each test gets them empty and honest."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from chassis import migrations, postgres
from devstack.ports import Ports
from devstack.stack import EmbeddedStack
from tests.services.notifications.office import Office

SQL = Path(__file__).parents[3] / "services" / "notifications" / "sql"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def building(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedStack]:
    stack = EmbeddedStack(
        tmp_path_factory.mktemp("notifications"),
        Ports.free(),
        parts={"postgres", "mailbox"},
        durable=False,
    )
    async with stack:
        schema = migrations.service_schema("notifications", SQL)
        await migrations.migrate(stack.postgres.dsn("tenure_migrator"), [schema])
        yield stack


@pytest_asyncio.fixture(loop_scope="session")
async def office(building: EmbeddedStack) -> AsyncIterator[Office]:
    await building.mailbox.set_faults([])
    await building.mailbox.clear()
    dsn = building.postgres.dsn("tenure_notifications")
    pool = await postgres.open_pool(dsn, "notifications", "work")
    await pool.execute("delete from mail; delete from contact; delete from outbox")
    await pool.execute("delete from correspondence")
    yield Office(pool, building.mailbox, dsn)
    await pool.close()
