"""The virtual clock: it moves from deadline to deadline, and on only when all have caught up.

Or it jumps over all of them, as if nobody had been at work meanwhile.
"""

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from types import TracebackType
from typing import Self

from ops.connection import Stack
from ops.errors import OpsError, TryAgain, WrongUsage
from ops.quiet import Quiet
from ops.work import Item, read_now

_MOVE = """
with moved as (update ops.clock set now = $1 where now < $1 returning now)
select pg_notify('tenure_clock', now::text) from moved
"""
_LOCK = "select pg_try_advisory_lock(hashtext('tenure.clock'), 0)"


@dataclass(frozen=True)
class Advance:
    """Where the clock was moved to, in how many hops, and what is stuck and was not waited for."""

    now: datetime
    hops: int
    stuck: tuple[Item, ...]


class VirtualClock:
    """Drives `ops.clock`; `async with VirtualClock(stack) as clock`. Only one driver at a time."""

    def __init__(self, stack: Stack, quiet: Quiet | None = None, *, exclusive: bool = True) -> None:
        """With `quiet` given, that one is used and stays open; `exclusive=False` only looks."""
        if not stack.virtual:
            raise OpsError("This stack runs on real time: only CLOCK=virtual can be moved.")
        self._stack = stack
        self.quiet = quiet or Quiet(stack)
        self._borrowed = quiet is not None
        self._exclusive = exclusive
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Connect and take the lock. Raises Unavailable, or TryAgain while another drives."""
        try:
            database = self._stack.database("OPS")
            self._connection = await self._open.enter_async_context(database)
            if not self._exclusive:
                return self
            if not await self._connection.fetchval(_LOCK):
                raise TryAgain("Another command is moving the clock: try again when it is done.")
            if not self._borrowed:
                await self._open.enter_async_context(self.quiet)
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
        """Disconnect and give the lock back."""
        await self._open.aclose()

    async def now(self) -> datetime:
        """The present instant. Raises Unavailable when the clock was never set."""
        return await read_now(self._connection, virtual=True)

    async def ensure_set(self, instant: datetime) -> None:
        """Set a clock that was never set; any other stays as it is."""
        await self._connection.execute(
            "insert into ops.clock (now) values ($1) on conflict (one) do nothing", instant
        )

    async def advance(
        self,
        to: datetime,
        *,
        step: timedelta | None = None,
        timeout_s: float = 30.0,
        on_hop: Callable[[datetime], None] = lambda now: None,
    ) -> Advance:
        """Move to `to`, stopping at every due instant until the system is quiet.

        With `step` it stops only at multiples of it: faster, but what falls between two stops comes
        due at once, so its order within a step is lost. Raises NotQuiet when work stays pending for
        `timeout_s` seconds at one stop.
        """
        work = await self.quiet.wait(timeout_s)
        hops = 0
        while work.now < to:
            stop = next_stop(work.now, to, work.next_due_at, step)
            await self._connection.execute(_MOVE, stop)
            hops += 1
            on_hop(stop)
            work = await self.quiet.wait(timeout_s)
        return Advance(work.now, hops, work.stuck)

    async def jump(self, to: datetime, *, timeout_s: float = 30.0) -> Advance:
        """Move to `to` at once: what falls due in between is found late, as after a downtime (Q23).

        It begins and ends when the system is quiet. Raises WrongUsage when that is not later than
        now, NotQuiet when work stays pending for `timeout_s` seconds.
        """
        now = (await self.quiet.wait(timeout_s)).now
        if to <= now:
            raise WrongUsage(
                f"The clock shows {now:%Y-%m-%d %H:%M:%S} UTC already: it only moves forward."
            )
        await self._connection.execute(_MOVE, to)
        work = await self.quiet.wait(timeout_s)
        return Advance(work.now, 1, work.stuck)


def next_stop(
    now: datetime, to: datetime, due: datetime | None, step: timedelta | None
) -> datetime:
    """The next due instant or `to`; with `step` the first multiple of it, from now, at or after."""
    if due is None or due >= to:
        return to
    if step is None:
        return due
    return min(to, now + step * ceil((due - now) / step))
