"""The relay: publishes outbox rows in order per shard, deletes them after the acknowledgement."""

import asyncio
import json
from collections import Counter
from contextlib import suppress
from typing import Any
from zlib import crc32

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.errors import InvalidTopicError, KafkaError, MessageSizeTooLargeError
from mode import Service

from chassis import kafka, outbox
from chassis.crash_points import crash_point
from chassis.postgres import transient_errors
from chassis.telemetry import OUTBOX_DEAD, PUBLISHED, TRANSIENT_ERRORS, log

BATCH = 2000
_POLL_S = 0.25
_REBALANCE_S = 2.0
#: A short hiccup is nobody's business; after this the service says that it is not ready.
_PATIENCE_S = 2.0
_ACKNOWLEDGE_S = 60.0

_NEXT = """
select id, topic, key, type, value, headers from outbox
where shard = any($1) and not exists (select from outbox_dead dead where dead.key = outbox.key)
order by id limit $2
"""
_BURY = """
with gone as (delete from outbox where id = $1 returning *)
insert into outbox_dead (id, shard, topic, key, event_id, type, value, headers, error)
select id, shard, topic, key, event_id, type, value, headers, $2 from gone
"""
# Only an index scan marks the entries of deleted rows, which the next one then skips. Other plans,
# which the planner likes for a table of unknown size, read them all again, thousands in each round.
_BY_ID = {"enable_seqscan": "off", "enable_bitmapscan": "off", "enable_sort": "off"}
# Other databases of the same server may be other systems with relays of the same name.
_WORKERS = """
select count(distinct pid) from pg_stat_activity
where application_name = $1 and datname = current_database()
"""


class Relay(Service):
    """Owns some shards by advisory locks on a session of its own and publishes what is in them."""

    def __init__(self, settings: Any, service: str, **more: Any) -> None:
        super().__init__(**more)
        self._settings = settings
        self._service = service
        self._purpose = f"tenure.{service}.relay"
        self._lock_space = crc32(self._purpose.encode()) - 2**31
        self._shards: set[int] = set()
        self._producer: AIOKafkaProducer | None = None
        self.trouble: str | None = None

    async def on_start(self) -> None:
        """Nothing is opened here: the loop opens what it needs, again and again."""
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        self._done = asyncio.Event()

    def wake(self) -> None:
        """There may be something to publish."""
        self._wake.set()

    @Service.task
    async def _publish(self) -> None:
        delay_s = 0.1
        try:
            while not self._stopping.is_set():
                try:
                    await self._session()
                    delay_s = 0.1
                except (asyncpg.PostgresError, KafkaError, *transient_errors()) as error:
                    self.trouble = f"relay: {type(error).__name__}"
                    TRANSIENT_ERRORS.labels("relay").inc()
                    log.warning("relay starts over", error=repr(error)[:200], delay_s=delay_s)
                    await self._discard_producer()
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._stopping.wait(), delay_s)
                    delay_s = min(delay_s * 2, 5)
        finally:
            self._done.set()

    async def _session(self) -> None:
        """Work on one database session, which holds the locks, until something breaks."""
        connection = await asyncpg.connect(
            self._settings.database_url.get_secret_value(),
            server_settings={
                "application_name": self._purpose,
                "search_path": self._service,
                # What a crash of the database brings back is published again, which is harmless.
                "synchronous_commit": "off",
                **_BY_ID,
            },
            command_timeout=60,
        )
        self._shards.clear()
        try:
            await connection.add_listener(outbox.channel(self._service), self._heard)
            next_share = 0.0
            loop = asyncio.get_running_loop()
            while not self._stopping.is_set():
                if loop.time() >= next_share:
                    await self._take_share(connection)
                    next_share = loop.time() + _REBALANCE_S
                self._wake.clear()
                if await self._round(connection) < BATCH:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._wake.wait(), _POLL_S)
        finally:
            with suppress(BaseException):
                await asyncio.wait_for(connection.close(), 2)

    def _heard(self, connection: Any, pid: int, channel: str, sender: object) -> None:
        """Another process has something for our shards, too; this one woke us itself."""
        if sender != outbox.SENDER:
            self._wake.set()

    async def _take_share(self, connection: asyncpg.Connection) -> None:
        """Hold at most an equal share of the shards, so that every live worker gets some."""
        workers = max(1, await connection.fetchval(_WORKERS, self._purpose))
        share = -(-outbox.SHARDS // workers)
        while len(self._shards) > share:
            shard = self._shards.pop()
            await connection.execute("select pg_advisory_unlock($1, $2)", self._lock_space, shard)
        for shard in range(outbox.SHARDS):
            if len(self._shards) >= share:
                break
            if shard not in self._shards and await connection.fetchval(
                "select pg_try_advisory_lock($1, $2)", self._lock_space, shard
            ):
                self._shards.add(shard)

    async def _round(self, connection: asyncpg.Connection) -> int:
        """Publish one batch in order; on any error the same rows come again in order."""
        rows = await connection.fetch(_NEXT, sorted(self._shards), BATCH) if self._shards else []
        if not rows:
            self.trouble = None
            return 0
        producer = await self._ready_producer()
        prefix = self._settings.kafka_topic_prefix
        sent = []
        try:
            for row in rows:
                try:
                    sent.append(await self._send(producer, prefix, row))
                except (MessageSizeTooLargeError, InvalidTopicError) as error:
                    await self._bury(connection, row, error)
                    break  # the rest of the round comes again, without this key
            await self._acknowledged(sent)
        except (MessageSizeTooLargeError, InvalidTopicError) as error:
            await self._find_and_bury(connection, rows, sent, error)
            raise
        crash_point("relay.after_produce")
        ids = [row["id"] for row in rows[: len(sent)]]
        await connection.execute("delete from outbox where id = any($1)", ids)
        for topic, number in Counter(row["topic"] for row in rows[: len(sent)]).items():
            PUBLISHED.labels(topic).inc(number)
        self.trouble = None
        return len(sent)

    async def _send(self, producer: AIOKafkaProducer, prefix: str, row: Any) -> Any:
        return await producer.send(
            prefix + row["topic"], row["value"], row["key"].encode(), headers=_headers(row)
        )

    async def _acknowledged(self, sent: list[Any]) -> None:
        """Wait for the broker; after a while say that it is away. Raises as it answers, TimeoutError."""
        if not sent:
            return
        answered = asyncio.gather(*sent)
        _, waiting = await asyncio.wait({answered}, timeout=_PATIENCE_S)
        if waiting:
            self.trouble = "relay: the broker does not acknowledge"
        await asyncio.wait_for(answered, _ACKNOWLEDGE_S)

    async def _bury(self, connection: asyncpg.Connection, row: Any, error: Exception) -> None:
        OUTBOX_DEAD.inc()
        log.error(
            "message refused by Kafka", type=row["type"], key=row["key"], error=str(error)[:200]
        )
        await connection.execute(_BURY, row["id"], repr(error)[:300])

    async def _find_and_bury(
        self, connection: asyncpg.Connection, rows: list[Any], sent: list[Any], error: Exception
    ) -> None:
        """The broker refused a whole batch for one record: the largest in it is the one."""
        refused = [
            row
            for row, future in zip(rows, sent, strict=False)
            if future.done() and not future.cancelled() and type(future.exception()) is type(error)
        ]
        largest = max(refused, key=lambda row: len(row["value"] or b""))
        await self._bury(connection, largest, error)

    async def _ready_producer(self) -> AIOKafkaProducer:
        if self._producer is None:
            made = kafka.producer(self._settings, self._purpose)
            try:
                await asyncio.wait_for(made.start(), 15)
            except BaseException:
                await kafka.discard(made)
                raise
            self._producer = made
        return self._producer

    async def _discard_producer(self) -> None:
        """After any error the sequence numbers of a producer cannot be trusted."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await kafka.discard(producer)

    async def on_stop(self) -> None:
        """Finish the round."""
        self._stopping.set()
        self._wake.set()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._done.wait(), 10)
        await self._discard_producer()


def _headers(row: Any) -> list[tuple[str, bytes]]:
    given = json.loads(row["headers"]) if row["headers"] else outbox.usual_headers(row["type"])
    return [(name, value.encode()) for name, value in given.items()]
