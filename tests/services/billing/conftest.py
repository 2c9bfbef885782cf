"""A desk on the shared stack, and everything bad at once."""

from collections.abc import AsyncIterator

import pytest_asyncio
from aiokafka import AIOKafkaProducer

from ops.supervisor import Services
from tests.services.billing.heap import Heap
from tests.services.billing.rows import BAD
from tests.support.desk import Desk, desk_at
from tests.support.worker_stack import WorkerStack


@pytest_asyncio.fixture(scope="package")
async def desk(
    stack: WorkerStack, services: Services, producer: AIOKafkaProducer
) -> AsyncIterator[Desk]:
    """Where these tests write, and read what was said."""
    async with desk_at(stack.ops, producer) as made:
        yield made


@pytest_asyncio.fixture(scope="package")
async def heap(desk: Desk) -> Heap:
    """Published, read and settled."""
    made = Heap(desk)
    await made.pile(BAD)
    return made
