"""The parts of a stack that are looked at again and again; each keeps its connection between looks."""

import asyncio
import logging
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from typing import Any, Generic, Protocol, TypeVar

import asyncpg
from aiokafka.errors import KafkaError

from contracts.topics import OPS_ALERTS, SERVICES
from ops.alert_board import AlertBoard, Known
from ops.broker import FETCH_WAIT_MS, Broker
from ops.connection import Stack
from ops.dead_letters import count_parked
from ops.errors import OpsError, Unavailable
from ops.offsets import GroupOffsets, reads
from ops.records import read_to
from ops.services_http import get, get_metrics
from ops.top.samples import Look, Looks
from ops.top.sight import ASKING, Backlog, Seen
from ops.work import read_work, statement

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")
#: A part that takes longer counts as away.
_LOOK_S = 10.0
_AWAY = (OpsError, KafkaError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError)


class Part(Protocol[T_co]):
    """What can be looked at. `look` raises one of the errors that mean away; then it is closed."""

    async def look(self) -> T_co:
        """What it is now."""

    async def close(self) -> None:
        """Disconnect; the next look connects again."""


class Followed(Generic[T]):
    """A part, and what was seen of it last."""

    def __init__(self, part: Part[T]) -> None:
        """It was not looked at yet."""
        self._part = part
        self.seen: Seen[T] = Seen(None, ASKING)

    async def look(self) -> None:
        """Look once; a part that is away is a trouble, not an error."""
        try:
            async with asyncio.timeout(_LOOK_S):
                self.seen = Seen(await self._part.look())
        except _AWAY as error:
            late = isinstance(error, TimeoutError)
            words = f"no answer within {_LOOK_S:g} s" if late else str(error)
            self.seen = Seen(None, words or type(error).__name__)
            await self.close()

    async def follow(self, every_s: float) -> None:
        """Look for ever."""
        while True:
            await self.look()
            await asyncio.sleep(every_s)

    async def close(self) -> None:
        """Disconnect, whatever it takes."""
        with suppress(*_AWAY):
            await self._part.close()


class Metrics:
    """What one service or the watch counts, and what its readiness says when it is not ready."""

    def __init__(self, stack: Stack, name: str) -> None:
        self._stack, self._name = stack, name
        self._looks = Looks()

    async def look(self) -> tuple[Looks, str]:
        """The looks of the last minute, and why it is not ready (nothing when it is)."""
        url = self._stack.http(self._name)
        page = await get_metrics(url)
        try:
            look = await asyncio.to_thread(Look.read, page, time.monotonic())
        except ValueError:
            raise Unavailable(f"what {url} shows are no metrics") from None
        self._looks.add(look)
        if look.by("tenure_ready").get(()):
            return self._looks, ""
        _, detail = await get(f"{url}/readyz")
        return self._looks, _troubles(detail)

    async def close(self) -> None:
        """What it counted before it was away is of another process."""
        self._looks = Looks()


def _troubles(detail: Any) -> str:
    troubles = detail.get("troubles", {}) if isinstance(detail, dict) else {}
    words = ", ".join(f"{part}: {trouble}" for part, trouble in troubles.items())
    return words or "not ready"


class Lags:
    """How many records each service has not read."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._open = AsyncExitStack()
        self._offsets: GroupOffsets | None = None

    async def look(self) -> Mapping[str, int]:
        """The records by service."""
        if self._offsets is None:
            made = GroupOffsets(self._stack, reads(self._stack))
            self._offsets = await self._open.enter_async_context(made)
        offsets = self._offsets
        committed, ends = await asyncio.gather(offsets.committed(), offsets.ends())
        found = dict.fromkeys(SERVICES, 0)
        names = {self._stack.group(service): service for service in SERVICES}
        for (group, _), records in offsets.lag(committed, ends).items():
            found[names[group]] += records
        return found

    async def close(self) -> None:
        """Disconnect."""
        self._offsets = None
        await self._open.aclose()


class Database:
    """The backlog, by the read views."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._open = AsyncExitStack()
        self._connected: tuple[asyncpg.Connection, str] | None = None

    async def look(self) -> Backlog:
        """The backlog now."""
        if self._connected is None:
            connection = await self._open.enter_async_context(self._stack.database())
            text = await statement(connection, virtual=self._stack.virtual)
            self._connected = connection, text
        connection, text = self._connected
        return Backlog(await read_work(connection, text), await count_parked(connection))

    async def close(self) -> None:
        """Disconnect."""
        self._connected = None
        await self._open.aclose()


class Alerts:
    """The alerts that stand: `ops.alerts` is read once, and then what comes."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._open = AsyncExitStack()
        self._reading: tuple[Broker, AlertBoard] | None = None

    async def look(self) -> list[Known]:
        """Those that stand, oldest first."""
        if self._reading is None:
            broker = await self._open.enter_async_context(Broker(self._stack))
            board = AlertBoard()
            partitions = await broker.partitions([self._stack.topic(OPS_ALERTS.name)])
            ends = await broker.ends(partitions)
            broker.consumer.assign(partitions)
            await broker.consumer.seek_to_beginning(*partitions)
            async for batch in read_to(broker, ends):
                _hear(board, batch)
            self._reading = broker, board
        broker, board = self._reading
        while batch := await broker.consumer.getmany(timeout_ms=FETCH_WAIT_MS):
            _hear(board, batch)
        return board.standing

    async def close(self) -> None:
        """Disconnect."""
        self._reading = None
        await self._open.aclose()


def _hear(board: AlertBoard, batch: Mapping[Any, Any]) -> None:
    for records in batch.values():
        for record in records:
            board.hear(record.value)


def be_quiet() -> None:
    """What clients log about a broker that is away would tear the screen; the panels say it."""
    for name in ("aiokafka", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
