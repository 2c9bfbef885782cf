"""Runs one service: start order, signals, bounded stop, exit codes. After one you know all three."""

import asyncio
import gc
import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import asyncpg
from fastapi import FastAPI
from mode import Service, Worker

from chassis import crash_points, migrations, postgres, setup
from chassis.aggregate import Aggregate, Projection
from chassis.clock import Clock
from chassis.consumer import Consumer
from chassis.dead_letters import Limits
from chassis.due_scan import DueScan
from chassis.errors import ConfigurationError
from chassis.http import Http
from chassis.processing import Processor
from chassis.projections import Sink
from chassis.relay import Relay
from chassis.settings import ServiceSettings
from chassis.telemetry import log, set_up_logging
from chassis.tracing import traces_of
from contracts.errors import Misconfigured
from contracts.topics import DEAD_LETTERS, REDRIVE, TOPICS, Topic

EXIT_SOFTWARE, EXIT_CONFIGURATION = 70, 78
#: With closing the pool and the loop it makes less than 25 seconds.
_STOP_S = 20

#: Objects made and not freed until the youngest are collected; Python's own 700 is for small programs.
_COLLECT_AFTER = 20_000


@dataclass(frozen=True)
class ServiceDefinition:
    """What makes a service: its aggregate, what it consumes, and what else runs in it."""

    name: str
    settings: ServiceSettings
    aggregate: Aggregate[Any]
    topics: tuple[Topic, ...]
    sql: Path
    projections: Mapping[str, Projection] = field(default_factory=dict)
    workers: tuple[Callable[["Runtime"], Service], ...] = ()
    routes: Callable[[FastAPI, "Runtime"], None] | None = None


class Runtime(Service):
    """Everything that runs in one service process."""

    def __init__(self, definition: ServiceDefinition, **more: Any) -> None:
        super().__init__(**more)
        self.definition = definition
        self.settings = definition.settings
        self.name = definition.name
        self.clock = Clock(self.settings.clock)
        self.traces = traces_of(self.name, self.settings)
        self.pool: asyncpg.Pool
        self.processor: Processor[Any]
        self.parts: list[Service] = []
        #: Why nothing is done yet, as /readyz shows it; empty once all parts run.
        self._before_start = {"service": "starting"}
        self.failure: BaseException | None = None

    async def on_start(self) -> None:
        """Answer over HTTP, wait until the surroundings are right, then start the parts in order.

        What fails here ends the process at once: nothing was taken in yet.
        """
        try:
            await self._open()
        except (ConfigurationError, Misconfigured) as error:
            os._exit(_told(error))
        except Exception:
            log.critical("the service cannot start", exc_info=True)
            os._exit(EXIT_SOFTWARE)

    async def _open(self) -> None:
        definition, settings = self.definition, self.settings
        _settle_memory()
        http = Http(settings.http_host, settings.http_port, self.name, self.troubles, self._alive)
        self.parts.append(http)
        await http.start()
        projected = tuple(t for t in TOPICS if t.name in definition.projections)
        topics = (*definition.topics, *projected, REDRIVE[self.name], DEAD_LETTERS[self.name])
        schema = migrations.service_schema(self.name, definition.sql)
        await setup.wait_until_right(settings, schema, topics, self, self._waiting_for)
        if self.should_stop:
            return
        dsn = settings.database_url.get_secret_value()
        self.pool = await postgres.open_pool(dsn, self.name, "work")
        relay = Relay(settings, self.name)
        limits = Limits(settings.dlq_consecutive_max, settings.dlq_ratio_max)
        self.processor = Processor(
            self.name,
            definition.aggregate,
            self.pool,
            self.clock,
            limits,
            self._wake,
            self.traces,
        )
        self.relay, self.due_scan = relay, DueScan(settings, self.processor, self.clock.virtual)
        self.consumer = Consumer(
            settings,
            f"tenure.{self.name}",
            [topic.name for topic in topics if topic is not DEAD_LETTERS[self.name]],
            Sink(definition.projections, self.pool, self.processor).consume,
            self.processor.log_starts.update,
            settings.consumer_batch_max,
        )
        self.workers = [make(self) for make in definition.workers]
        if definition.routes:
            definition.routes(http.app, self)
        for part in (relay, *self.workers, self.due_scan, self.consumer):
            self.parts.append(part)
            await part.start()
        self._before_start = {}
        log.info("service is running", clock=settings.clock)

    def _waiting_for(self, away: setup.Away | None) -> None:
        self._before_start = {away.part: away.reason} if away else {"service": "starting"}

    def _wake(self, published: bool, near: bool) -> None:
        if published:
            self.relay.wake()
        if near:
            self.due_scan.wake()

    @Service.task
    async def _watch_parts(self) -> None:
        """A part that crashed takes the process down; nothing half-alive goes on."""
        while not self.should_stop:
            for part in self.parts:
                if part.crashed:
                    self.failure = part.crash_reason
                    log.critical(
                        "part crashed", part=type(part).__name__, error=repr(self.failure)[:500]
                    )
                    os._exit(_told(self.failure))
            await self.sleep(0.1)

    async def troubles(self) -> dict[str, str]:
        """Why the service is not ready; nothing when it does its work."""
        if self._before_start:
            return self._before_start
        found: dict[str, str] = {}
        try:
            async with asyncio.timeout(1), self.pool.acquire(timeout=1) as connection:
                await connection.fetchval("select 1")
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            found["database"] = type(error).__name__
        for part in self.parts:
            trouble = getattr(part, "trouble", None)
            if trouble:
                found[type(part).__name__.lower()] = trouble
        return found

    def _alive(self) -> bool:
        # What answers here before that is waiting for its surroundings, which no restart mends.
        return bool(self._before_start) or time.monotonic() - self.consumer.heartbeat < 60

    async def on_stop(self) -> None:
        """Stop the parts: first what takes in work, then what passes it on, HTTP last."""
        # Not cancelled when it takes too long: libraries swallow that. All of it is crash-safe.
        stopping = asyncio.ensure_future(self._stop_parts())
        await asyncio.wait({stopping}, timeout=_STOP_S)
        leaving = asyncio.ensure_future(self.traces.close())
        with suppress(BaseException):
            await asyncio.wait_for(self.pool.close(), 2)
        await leaving
        log.info("service has stopped")

    async def _stop_parts(self) -> None:
        outward, intakes = self.parts[:2], self.parts[2:]
        await asyncio.gather(*(part.stop() for part in intakes))
        for part in reversed(outward):
            await part.stop()


def _settle_memory() -> None:
    """What was loaded to start is there to stay: the collector need not look through it any more.

    Nearly all that a message leaves behind goes without it, so that it looks more rarely, too.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)


def _told(error: BaseException | None) -> int:
    """The exit status for an error; a wrong setup is told in one line."""
    wrong_setup = isinstance(error, ConfigurationError | Misconfigured)
    if wrong_setup:
        print(f"Configuration error: {error}", file=sys.stderr)  # noqa: T201 - for people
    sys.stderr.flush()
    return EXIT_CONFIGURATION if wrong_setup else EXIT_SOFTWARE


def run_service(define: Callable[[], ServiceDefinition]) -> NoReturn:
    """Run until SIGTERM or SIGINT. Exits 0, 70 after a programming error, 78 for a wrong setup."""
    with suppress(ImportError):
        import uvloop

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        crash_points.armed()
        definition = define()
        set_up_logging(
            definition.settings.log_level, definition.settings.log_format, definition.name
        )
        os.nice(definition.settings.niceness)
        runtime = Runtime(definition)
        worker = Worker(
            runtime, loop=loop, override_logging=False, redirect_stdouts=False, quiet=True
        )
        worker.execute_from_commandline()
    except (ConfigurationError, Misconfigured) as error:
        sys.exit(_told(error))
