"""Letting customers live on a real stack whose virtual clock races, and operators serve them."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from itertools import groupby
from math import ceil
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import asyncpg

from contracts.base import Data
from contracts.topics import BILLING_COMMANDS
from devstack.lives import START, Act, Life
from ops.asking import Answer, envelope, kept
from ops.clock import VirtualClock
from ops.connection import Stack
from ops.demo_acts import carry_out
from ops.sending import Sender, message_headers, sender
from ops.subscriptions import Known
from ops.work import read_now
from tests.support.eventually import eventually

if TYPE_CHECKING:
    from asyncpg.pool import Pool

log = logging.getLogger(__name__)
#: For one stop of the clock, at which hundreds may be served.
PATIENCE_S = 300.0


class Counter:
    """Where commands are given, many at a time over the same connections."""

    def __init__(self, to: Sender, pool: "Pool[asyncpg.Record]") -> None:
        """All is open already."""
        self._to, self._pool = to, pool

    @classmethod
    @asynccontextmanager
    async def at(cls, stack: Stack) -> AsyncIterator["Counter"]:
        """Connect."""
        async with (
            sender(stack) as to,
            asyncpg.create_pool(stack.database_url("READER"), min_size=1, max_size=4) as db,
        ):
            yield cls(to, db)

    async def ask(self, stack: Stack, known: Known, data: Data, id: UUID | None = None) -> Answer:
        """Give a command and wait for billing's answer."""
        command_id = str(id or uuid4())
        async with self._pool.acquire() as connection:
            now = await read_now(connection, virtual=stack.virtual)
            message = envelope(known.id, known.provider_id, data, command_id, now)
            value, headers = message.to_json(), message_headers(message)
            await self._to.send(BILLING_COMMANDS.name, message.subject.encode(), value, headers)
            answer: Answer = await eventually(lambda: kept(connection, command_id), PATIENCE_S)
            return answer


async def live(
    stack: Stack, people: Sequence[Life], over: datetime, step: timedelta | None
) -> tuple[int, int]:
    """Let the clock run to `over`; returns at how many instants it stopped and how many commands came.

    With `step` it stops at its multiples alone: what falls between two stops comes due at once, and
    commands are given at the next stop. A stop is left when every service has caught up.
    """

    def stop(act: Act) -> datetime:
        return START + step * ceil((act.at - START) / step) if step else act.at

    customers = {life.customer.reference: life.customer for life in people}
    acts = sorted((act for life in people for act in life.acts), key=lambda act: act.at)
    stops = 0
    async with Counter.at(stack) as counter, VirtualClock(stack) as clock:
        for instant, due in groupby(acts, key=stop):
            stops += (await clock.advance(instant, step=step, timeout_s=PATIENCE_S)).hops
            asked = [carry_out(stack, act, customers[act.reference], counter.ask) for act in due]
            for words in await asyncio.gather(*asked):
                log.info("%s: %s", instant, words)
        stops += (await clock.advance(over, step=step, timeout_s=PATIENCE_S)).hops
    return stops, len(acts)


async def sleep_through(stack: Stack, over: datetime) -> None:
    """Let the clock jump: whatever was due in between is found late, as after a downtime."""
    async with VirtualClock(stack) as clock:
        await clock.jump(over, timeout_s=PATIENCE_S)
