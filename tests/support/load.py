"""Load that goes on until it is told to stop: new customers at a steady rate, whatever breaks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from devstack.behaviour import Customer
from tests.support.people import START, mixed, people
from tests.support.sight import Sight

_GROUP = 10
#: More never come, however long a test takes.
_MOST = 3000


class Load:
    """Who came so far; ten customers, then a pause."""

    def __init__(self, sight: Sight, pause_s: float, tag: str, at: datetime) -> None:
        """Nobody came yet; `tag` begins their references, `at` is when they order."""
        self._sight = sight
        self._pause_s = pause_s
        self._to_come = people(tag, _MOST, at)
        self._stopping = asyncio.Event()
        self.customers: list[Customer] = []

    async def run(self) -> None:
        """Publish until `stop`; a group counts when the broker has it."""
        while not self._stopping.is_set() and len(self.customers) < _MOST:
            group = self._to_come[len(self.customers) :][:_GROUP]
            await self._sight.publish(mixed(group, seed=len(self.customers)))
            self.customers += group
            await asyncio.sleep(self._pause_s)

    def stop(self) -> None:
        """No more customers."""
        self._stopping.set()


@asynccontextmanager
async def under_load(
    sight: Sight, pause_s: float = 0.4, *, tag: str = "L", at: datetime = START
) -> AsyncIterator[Load]:
    """Customers keep coming inside the block; afterwards the last ones are surely published."""
    load = Load(sight, pause_s, tag, at)
    running = asyncio.create_task(load.run())
    try:
        yield load
        assert not running.done(), "everything happened under load"
        load.stop()
        await running
    finally:
        running.cancel()
