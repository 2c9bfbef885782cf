"""When every service has caught up: the double look K1, D, K2.

Work is always visible as an uncommitted record, an outbox row, a due row or an unfinished mail,
because offsets are committed after the database and outbox rows deleted after the ack. So the
system is quiet when every group has read to the end (K1), no schema has work now (D), and nothing
was written meanwhile (K2). One look alone can miss a record on its way from one to the other.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from aiokafka.errors import KafkaError

from ops.connection import Stack
from ops.errors import TryAgain
from ops.offsets import GroupOffsets, find_groups, moved
from ops.work import Work, read_work, statement

_FIRST_PAUSE_S = 0.002
_LONGEST_PAUSE_S = 0.025


class NotQuiet(TryAgain):
    """Work is left after the allowed time; `pending` names it."""

    def __init__(self, timeout_s: float, pending: Sequence[str]) -> None:
        super().__init__(f"Still busy after {timeout_s:g} s: {', '.join(pending) or 'no answer'}.")
        self.pending = tuple(pending)


@dataclass(frozen=True)
class Look:
    """One double look: what is pending (nothing: quiet), and the work that D saw."""

    pending: tuple[str, ...]
    work: Work | None = field(default=None)


class Quiet:
    """Tells when the stack has nothing to do; `async with Quiet(stack) as quiet`.

    `groups` (group -> topic names in Kafka) replaces the groups of the three services and, where
    it has plans or has ever consumed, the simulator. Stuck keys are reported, not waited for.
    """

    def __init__(self, stack: Stack, groups: Mapping[str, Sequence[str]] | None = None) -> None:
        self._stack = stack
        self._groups = groups
        self._open = AsyncExitStack()
        #: Called between the looks, for tests that delay them.
        self.between: Callable[[], Awaitable[None]] | None = None

    async def __aenter__(self) -> Self:
        """Connect to Kafka and PostgreSQL. Raises Unavailable."""
        try:
            database = self._stack.database()
            self._connection = await self._open.enter_async_context(database)
            self._statement = await statement(self._connection, virtual=self._stack.virtual)
            groups = self._groups
            if groups is None:
                work = await read_work(self._connection, self._statement)
                groups = await find_groups(self._stack, work)
            offsets = GroupOffsets(self._stack, groups)
            self._offsets = await self._open.enter_async_context(offsets)
        except BaseException:
            await self._open.aclose()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Disconnect."""
        await self._open.aclose()

    async def look(self) -> Look:
        """One double look. Raises KafkaError or asyncpg's errors."""
        work = await read_work(self._connection, self._statement)
        if work.busy:  # D alone proves that it is not quiet, at a fraction of the cost
            return Look(work.busy, work)
        committed, before = await asyncio.gather(self._offsets.committed(), self._offsets.ends())
        lag = self._offsets.lag(committed, before)
        if lag:
            return Look(tuple(f"{g} on {t} ({n} records)" for (g, t), n in sorted(lag.items())))
        await self._pause()
        work = await read_work(self._connection, self._statement)
        if work.busy:
            return Look(work.busy, work)
        await self._pause()
        after = await self._offsets.ends()
        return Look(tuple(f"{topic} was just written" for topic in moved(before, after)), work)

    async def _pause(self) -> None:
        if self.between is not None:
            await self.between()

    async def wait(self, timeout_s: float = 30.0) -> Work:
        """Wait until quiet; the work seen then (now, next due, stuck). Raises NotQuiet."""
        end = time.monotonic() + timeout_s
        pause = _FIRST_PAUSE_S
        pending: tuple[str, ...] = ()
        while time.monotonic() < end:
            try:
                look = await asyncio.wait_for(self.look(), max(end - time.monotonic(), 0.1))
            except (KafkaError, TimeoutError) as error:
                pending = (*pending[:3], f"Kafka: {error!r}")
            else:
                pending = look.pending
                if not pending and look.work is not None:
                    return look.work
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE_S)
        raise NotQuiet(timeout_s, pending)
