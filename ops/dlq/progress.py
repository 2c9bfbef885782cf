"""How far a redrive is: what was sent, what the services settled, what they refused again."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ops.connection import Stack
from ops.dead_letters import Origin, parked

if TYPE_CHECKING:
    import asyncpg

#: So long nothing may be settled before we stop waiting.
WAIT_S = 10.0
_MANY = 100


@dataclass
class Progress:
    """How far a redrive is; attempts are those before it."""

    attempts: dict[Origin, int]
    sent: set[Origin] = field(default_factory=set)
    settled: set[Origin] = field(default_factory=set)
    refused: set[Origin] = field(default_factory=set)
    took_s: float = 0.0

    @property
    def open(self) -> set[Origin]:
        """Sent, and neither settled nor refused yet."""
        return self.sent - self.settled - self.refused

    def look(self, parked_now: dict[Origin, int]) -> None:
        """Take in what waits now."""
        for origin in self.open:
            if origin not in parked_now:
                self.settled.add(origin)
            elif parked_now[origin] > self.attempts[origin]:
                self.refused.add(origin)


class Look:
    """Looks at what is settled, more rarely when there is much."""

    def __init__(
        self,
        connection: "asyncpg.Connection",
        stack: Stack,
        progress: Progress,
        tell: Callable[[Progress], None],
    ) -> None:
        """`tell` hears of every look."""
        self._connection, self._stack = connection, stack
        self._progress, self._tell = progress, tell
        self._every_s = 0.1 if len(progress.attempts) < _MANY else 0.5
        self._looked = 0.0

    async def _look(self) -> None:
        self._progress.look(await parked(self._connection, self._stack))
        self._looked = time.monotonic()
        self._tell(self._progress)

    async def now_and_then(self) -> None:
        """While sending."""
        if time.monotonic() - self._looked > self._every_s:
            await self._look()

    async def to_the_end(self) -> None:
        """Until nothing is open, or nothing more happens."""
        known, since = -1, time.monotonic()
        while True:
            await self._look()
            if len(self._progress.open) != known:
                known, since = len(self._progress.open), time.monotonic()
            if not known or time.monotonic() - since > WAIT_S:
                return
            await asyncio.sleep(self._every_s)
