"""Topics and a database of its own for a test that starts services as it needs them."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest_asyncio

from chassis import kafka
from tests.support.worker_stack import WorkerStack, create


@pytest_asyncio.fixture
async def town(stack: WorkerStack) -> AsyncIterator[WorkerStack]:
    """Topics and a database of its own, in real time: instants of decisions differ when made again."""
    name = f"{stack.name}_{uuid4().hex[:8]}"
    made = stack.with_prefix(f"{name}-", name)
    made.variables["CLOCK"] = "real"
    await create(made)
    yield made
    for database in (name, f"{name}_backup"):
        await stack.drop_database(database)
    client = kafka.admin(made.ops.kafka)
    await client.start()
    mine = [topic for topic in await client.list_topics() if topic.startswith(made.prefix)]
    await client.delete_topics(mine)
    await client.close()
