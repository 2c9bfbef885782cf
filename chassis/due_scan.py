"""The due scan: rows whose time has come get `TimePassed`, which is decided like any message."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import uuid5

import asyncpg
from mode import Service

from chassis.clock import CHANNEL
from chassis.postgres import transient_errors
from chassis.processing import Processor
from chassis.rows import Row
from chassis.telemetry import DUE_ROWS, TRANSIENT_ERRORS, log
from contracts.outgoing import TimePassed

_POLL_S = 1.0


class DueScan(Service):
    """Scans again when the next deadline comes, when the virtual clock moved, or each second."""

    def __init__(
        self, settings: Any, processor: Processor[Any], virtual: bool, **more: Any
    ) -> None:
        super().__init__(**more)
        self._settings = settings
        self._processor = processor
        self._virtual = virtual

    async def on_start(self) -> None:
        """The loop opens what it needs."""
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        self._done = asyncio.Event()

    def wake(self) -> None:
        """A deadline that is near was set."""
        self._wake.set()

    @Service.task
    async def _listen(self) -> None:
        """Hear that the virtual clock moved; without it the scan still looks every second."""
        while self._virtual and not self._stopping.is_set():
            try:
                connection = await asyncpg.connect(self._settings.database_url.get_secret_value())
                closed = asyncio.Event()
                connection.add_termination_listener(lambda _, closed=closed: closed.set())
                await connection.add_listener(CHANNEL, lambda *_: self._wake.set())
                stopping = asyncio.create_task(self._stopping.wait())
                lost = asyncio.create_task(closed.wait())
                await asyncio.wait({stopping, lost}, return_when=asyncio.FIRST_COMPLETED)
                stopping.cancel()
                lost.cancel()
                with suppress(BaseException):
                    await asyncio.wait_for(connection.close(), 2)
            except transient_errors():
                await asyncio.sleep(0.5)

    @Service.task
    async def _scan(self) -> None:
        try:
            while not self._stopping.is_set():
                self._wake.clear()
                wait_s = await self._round()
                if wait_s > 0:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._wake.wait(), wait_s)
        finally:
            self._done.set()

    async def _round(self) -> float:
        """One scan; returns how long to wait in seconds."""
        try:
            count, next_due = await self._processor.run_due(cause_of, self._settings.due_batch_max)
        except transient_errors() as error:
            TRANSIENT_ERRORS.labels("due_scan").inc()
            log.warning("due scan is tried again", error=repr(error)[:200])
            return _POLL_S
        if count:
            DUE_ROWS.inc(count)
            return 0
        if next_due is None or self._virtual:
            return _POLL_S
        return min(_POLL_S, max(0.0, (next_due - datetime.now(UTC)).total_seconds()))

    async def on_stop(self) -> None:
        """Finish the scan."""
        self._stopping.set()
        self._wake.set()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._done.wait(), 10)


def cause_of(row: Row[Any]) -> TimePassed:
    """The cause of a time message: the same deadline of the same version makes the same ids."""
    due_at = row.due_at.isoformat() if row.due_at else ""
    return TimePassed(uuid5(row.id, f"due:{due_at}:{row.version}"))
