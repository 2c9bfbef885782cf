"""A desk on the shared stack, where these tests write in place of billing."""

from collections.abc import AsyncIterator

import pytest_asyncio
from aiokafka import AIOKafkaProducer

from ops.supervisor import Services
from tests.support.desk import Desk, desk_at
from tests.support.worker_stack import WorkerStack


@pytest_asyncio.fixture(scope="package")
async def desk(
    stack: WorkerStack, services: Services, producer: AIOKafkaProducer
) -> AsyncIterator[Desk]:
    """Where these tests write, and read what was said."""
    async with desk_at(stack.ops, producer) as made:
        yield made
