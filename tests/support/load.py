"""Load that goes on until it is told to stop: new customers at a steady rate, whatever breaks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import Protocol, TypeVar

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


class Coming(Protocol):
    """Customers who come until they are told to stop."""

    async def run(self) -> None:
        """Publish until `stop`."""

    def stop(self) -> None:
        """No more customers."""


C = TypeVar("C", bound=Coming)


@asynccontextmanager
async def while_coming(load: C) -> AsyncIterator[C]:
    """Customers come inside the block, which must end before all have; the last is surely published."""
    running = asyncio.create_task(load.run())
    try:
        yield load
        assert not running.done(), "everything happened under load"
        load.stop()
        await running
    finally:
        running.cancel()


def under_load(
    sight: Sight, pause_s: float = 0.4, *, tag: str = "L", at: datetime = START
) -> AbstractAsyncContextManager[Load]:
    """Ten customers and a pause, again and again, inside the block."""
    return while_coming(Load(sight, pause_s, tag, at))
