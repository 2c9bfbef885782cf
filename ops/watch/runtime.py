"""What runs in the watch: HTTP, the Faust app, the look at lags, and the telling of alerts."""

import asyncio
import os
import sys
import time
from collections import Counter
from contextlib import suppress
from typing import Any, NoReturn

from mode import Service, Worker

from chassis import kafka
from chassis.errors import ConfigurationError
from chassis.http import Http
from chassis.settings import load_settings
from chassis.telemetry import log, set_up_logging
from contracts.envelope import Envelope
from contracts.operations import AlertRaised
from contracts.topics import OPS_ALERTS, TOPICS
from ops.connection import Stack
from ops.errors import Unavailable
from ops.sending import message_headers
from ops.watch.app import make_app
from ops.watch.auditor import Auditor
from ops.watch.broker_clock import BrokerClock
from ops.watch.catch_up import CatchUp, Ends
from ops.watch.hearing import Heard, Hearing
from ops.watch.lag_watch import LagWatch
from ops.watch.metrics import ALERTS_OPEN, ALERTS_RAISED, SUBSCRIPTIONS, Rates
from ops.watch.populations import populations
from ops.watch.settings import WatchSettings

EXIT_SOFTWARE, EXIT_CONFIGURATION = 70, 78
_TICK_S, _SHOW_EVERY_S, _AWAY_S = 0.2, 10.0, 2.0
#: For looking where the topics end, and for reading on before looking again what retention took.
_LOOK_S = 5.0
_SEND_S = 30.0


class Watch(Service):
    """Reads all topics from their first record on, then judges what stands and goes on with what comes."""

    def __init__(self, settings: WatchSettings) -> None:
        super().__init__()
        self.settings = settings
        variables = {k: v for k, v in os.environ.items() if k.startswith("KAFKA_")}
        self.stack = Stack(variables)
        self.hearing = Hearing(Auditor(settings.bounds))
        self._clock = BrokerClock()
        self._rates = Rates(self.hearing.windows.size_ms)
        #: Everything that was told up to then, by our steady clock, has been read; 0: nothing yet.
        self._read_up_to_ms = 0
        self._why = "starting"

    async def on_start(self) -> None:
        """Answer over HTTP, wait for Kafka, then read. Ends the process for a wrong setup."""
        settings = self.settings
        http = Http(settings.http_host, settings.http_port, "watch", self.troubles, self._alive)
        try:
            await self.add_runtime_dependency(http)
            await self._wait_for_kafka()
            self._producer = kafka.producer(settings, "tenure-watch")
            await self._producer.start()
        except ConfigurationError as error:
            os._exit(_told(error))
        self._app = make_app(settings, self._take)
        self._why = "reading what is on the topics"
        await self.add_runtime_dependency(self._app)
        lags = LagWatch(self.stack, settings.lag, self.hearing.auditor.lags)
        await self.add_runtime_dependency(lags)

    async def _wait_for_kafka(self) -> None:
        while not self.should_stop:
            try:
                await kafka.reach(self.settings)
                await kafka.verify_topics(self.settings, TOPICS)
                return
            except (kafka.KafkaError, Unavailable, OSError, TimeoutError) as error:
                self._why = f"Kafka: {error!r}"[:200]
                log.warning("waiting to start", reason=self._why)
            await self.sleep(_AWAY_S)

    def _take(self, record: Heard, steady_ms: int) -> None:
        self._clock.see(record.at_ms, steady_ms)
        self.hearing.take(record, steady_ms)

    @Service.task
    async def _follow(self) -> None:
        """Look where the topics end, wait until that was read, and again; a broker that is away delays it."""
        while not self.should_stop:
            await self.sleep(_TICK_S)
            if not self._app_runs():
                continue
            try:
                async with Ends(self.stack) as ends:
                    while not self.should_stop:
                        await self._reach(ends)
            except (kafka.KafkaError, Unavailable, OSError, TimeoutError) as error:
                self._why = f"Kafka: {error!r}"[:200]
                log.warning("the ends of the topics are not known", error=repr(error)[:200])
                await self.sleep(_AWAY_S)

    async def _reach(self, ends: Ends) -> None:
        now_ms = looked_ms = _steady_ms()
        goal = now = await self._look(ends)
        while not goal.done(self.hearing.positions, now.firsts):
            if self.should_stop:
                return
            await self.sleep(_TICK_S)
            if _steady_ms() - looked_ms > _LOOK_S * 1000:
                looked_ms, now = _steady_ms(), await self._look(ends)
        self.hearing.starts(now.firsts, self._clock.now_ms(_steady_ms()))
        self._read_up_to_ms, self._why = now_ms, ""
        if not self.hearing.live:
            self.hearing.live = True
            self.hearing.auditor.touch_all()
            log.info("watching", subscriptions=len(self.hearing.auditor.records))
        await self.sleep(_TICK_S)

    async def _look(self, ends: Ends) -> CatchUp:
        async with asyncio.timeout(_LOOK_S):
            return await ends.look()

    @Service.task
    async def _judge(self) -> None:
        """Tell what is due, several times a second, once the past has been read."""
        try:
            while not self.should_stop:
                await self.sleep(_TICK_S)
                told_at_ms = self._clock.now_ms(_steady_ms())
                # Before the first record there is no time, and nothing to judge.
                if self.hearing.live and told_at_ms:
                    for message in self.hearing.auditor.due(self._read_up_to_ms, told_at_ms):
                        await self._tell(message)
        except Exception:
            # Told or not, nobody knows: a new process reads what the topic holds and goes on from there.
            log.critical("alerts can not be told", exc_info=True)
            os._exit(EXIT_SOFTWARE)

    def _app_runs(self) -> bool:
        return hasattr(self, "_app") and self._app.started

    async def _tell(self, message: Envelope) -> None:
        data: Any = message.data
        topic = self.settings.kafka_topic_prefix + OPS_ALERTS.name
        await asyncio.wait_for(
            self._producer.send_and_wait(
                topic,
                message.to_json(),
                key=message.subject.encode(),
                headers=list(message_headers(message)),
            ),
            _SEND_S,
        )
        if isinstance(data, AlertRaised):
            ALERTS_RAISED.labels(data.code).inc()
        log.warning(
            message.type.split(".")[1],
            code=data.code,
            sentence=data.sentence,
            subscription_id=str(data.subscription_id or ""),
        )

    @Service.task
    async def _show(self) -> None:
        """Windows and open alerts each second, populations more rarely: they look at every record."""
        shown_s = 0.0
        while not self.should_stop:
            await self.sleep(1.0)
            if not self.hearing.live:
                continue
            now_ms = self._clock.now_ms(_steady_ms())
            self._rates.show(self.hearing.windows.last_full(now_ms))
            ALERTS_OPEN.clear()
            for code, count in Counter(p[0] for p in self.hearing.auditor.told.open).items():
                ALERTS_OPEN.labels(code).set(count)
            if time.monotonic() - shown_s >= _SHOW_EVERY_S:
                shown_s = time.monotonic()
                records = list(self.hearing.auditor.records.values())
                for name, size in populations(records, self.hearing.clock).items():
                    SUBSCRIPTIONS.labels(name).set(size)

    @Service.task
    async def _watch_app(self) -> None:
        """A part that crashed takes the process down; nothing half-alive goes on."""
        while not self.should_stop:
            await self.sleep(0.5)
            if hasattr(self, "_app") and self._app.crashed:
                log.critical("the app crashed", error=repr(self._app.crash_reason)[:500])
                os._exit(EXIT_SOFTWARE)

    async def troubles(self) -> dict[str, str]:
        """Why the watch does not judge yet; nothing when it does."""
        return {"watch": self._why} if self._why else {}

    def _alive(self) -> bool:
        return True

    async def on_stop(self) -> None:
        """Close the producer; nothing is lost."""
        if hasattr(self, "_producer"):
            with suppress(BaseException):
                await kafka.discard(self._producer)


def _steady_ms() -> int:
    return int(time.monotonic() * 1000)


def _told(error: BaseException) -> int:
    print(f"Configuration error: {error}", file=sys.stderr)  # noqa: T201 - for people
    sys.stderr.flush()
    return EXIT_CONFIGURATION


def run_watch() -> NoReturn:
    """Run until SIGTERM or SIGINT. Exits 0, 70 after a programming error, 78 for a wrong setup."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        settings = load_settings(WatchSettings)
        set_up_logging(settings.log_level, settings.log_format, "watch")
        worker = Worker(
            Watch(settings), loop=loop, override_logging=False, redirect_stdouts=False, quiet=True
        )
        worker.execute_from_commandline()
    except ConfigurationError as error:
        sys.exit(_told(error))
