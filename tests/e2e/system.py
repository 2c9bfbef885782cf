"""A whole running system, whatever it runs on: what the tests of this folder may do to it."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from contracts.topics import SERVICES
from devstack.behaviour import Customer
from devstack.payments import add_customers
from ops.connection import Stack
from ops.scenario.stack_run import mailbox_of
from ops.services_http import get
from tests.support.eventually import eventually
from tests.support.sight import PATIENCE_S, Sight

#: What can be stopped, killed and paused; each is a container where there are containers.
SERVERS = ("kafka", "postgres", "mailpit")
PARTS = (*SERVERS, *SERVICES)
#: A service that is gone for longer is missed by its group.
SESSION_TIMEOUT_MS = 6000


@dataclass(frozen=True)
class Ended:
    """How a program ended, and the lines it wrote."""

    code: int
    lines: tuple[str, ...]


class System(Sight, ABC):
    """`async with System(...)` starts it, in real time or at an instant of a virtual clock."""

    def __init__(self, variables: Mapping[str, str], starts_at: datetime | None) -> None:
        """`variables` are what its clients need; with `starts_at` the clock is virtual."""
        stack = Stack(variables)
        super().__init__(stack, mailbox_of(stack))
        self.starts_at = starts_at
        #: Asked at the end, whether a test failed on it: then the logs are kept.
        self.failed: Callable[[], bool] = lambda: False

    @abstractmethod
    async def up(self) -> None:
        """Start everything; return when all services are ready."""

    @abstractmethod
    async def down(self, *, failed: bool) -> None:
        """Stop and remove everything; of a failed run the logs are kept."""

    @abstractmethod
    async def stop(self, part: str) -> None:
        """Ask a part to end, and wait for it."""

    @abstractmethod
    async def start(self, part: str) -> None:
        """Start a part that was stopped or killed; its data is as it left it."""

    @abstractmethod
    async def kill(self, part: str) -> None:
        """kill -9."""

    @abstractmethod
    async def pause(self, part: str) -> None:
        """Freeze a part: it neither works nor hangs up."""

    @abstractmethod
    async def unpause(self, part: str) -> None:
        """Let a frozen part go on."""

    @abstractmethod
    async def scale(self, service: str, workers: int) -> None:
        """So many workers of a service; when there are fewer than before, the oldest end."""

    @abstractmethod
    async def urls(self, service: str) -> list[str]:
        """Where the HTTP side of each running worker answers."""

    @abstractmethod
    async def try_to_run(self, service: str, extra: Mapping[str, str]) -> Ended:
        """Start one more worker with other variables, of which it is expected to die."""

    async def ready(self, *services: str) -> bool:
        """Whether every worker of the services, or of all, does its work."""
        addresses = [url for service in services or SERVICES for url in await self.urls(service)]
        answers = await asyncio.gather(*(get(f"{url}/readyz") for url in addresses))
        return bool(answers) and all(status == 200 for status, _ in answers)

    async def wait_ready(self, *services: str) -> float:
        """Wait until they are; the seconds it took."""
        began = time.monotonic()
        await eventually(lambda: self.ready(*services), PATIENCE_S, "all services are ready")
        return time.monotonic() - began

    async def replace(self, service: str) -> None:
        """A rolling restart of a service with one worker: the new one works before the old one ends."""
        await self.scale(service, 2)
        await self.wait_ready(service)
        await self.scale(service, 1)

    async def plan(self, customers: list[Customer]) -> None:
        """Let the simulated payment system publish for these customers what and when they say."""
        async with self.stack.database("SIMULATOR") as connection:
            await add_customers(connection, customers)

    async def __aenter__(self) -> Self:
        """Start."""
        try:
            await self.up()
        except BaseException:
            await self.down(failed=True)
            raise
        return self

    async def __aexit__(self, kind: object, *_: object) -> None:
        """Stop."""
        await self.down(failed=kind is not None or self.failed())
