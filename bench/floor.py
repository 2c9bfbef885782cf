"""One process of the floor: the messages, rows and transactions of a service, nothing decided.

`python -m bench.floor billing|licensing|notifications` runs until SIGTERM.
"""

import asyncio
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

import asyncpg
import uvloop
from pydantic import SecretStr

from bench import floor_rows
from bench.floor_rows import Message
from bench.floor_stages import STAGES, Stage
from chassis import kafka
from chassis.settings import KafkaSettings, load_settings
from contracts.envelope import CONTENT_TYPE

_CONSUMED_MAX, _PUBLISHED_MAX = 500, 2000
_NEXT = "select id, topic, key, type, value from outbox order by id limit $1"
_DONE = "delete from outbox where id = any($1)"


class FloorSettings(KafkaSettings):
    """Where the floor works."""

    database_url: SecretStr

    async def connect(self, schema: str) -> asyncpg.Connection:
        """A connection of its own in the stage's schema."""
        dsn = self.database_url.get_secret_value()
        return await asyncpg.connect(dsn, server_settings={"search_path": schema})


async def apply(connection: asyncpg.Connection, stage: Stage, messages: Sequence[Message]) -> None:
    """One transaction: inbox, states, rows beside them, outbox."""
    async with connection.transaction():
        stated = [m for m in messages if m.topic not in stage.tables_of]
        fresh = await floor_rows.claim(connection, stage.name, stated) if stated else []
        keys = [stage.key(m.envelope) for m in fresh]
        states = await floor_rows.load(connection, stage.table, keys) if fresh else {}
        now, out = datetime.now(UTC), []
        for message, key in zip(fresh, keys, strict=True):
            state = states[key]
            state.positions[message.topic] = message.envelope.sequence or 0
            out += stage.said(message.envelope, state, now)
        if states:
            await floor_rows.save(connection, stage.table, states)
        await stage.rows(connection, messages)
        if out:
            await floor_rows.publish(connection, out)


async def consume(stage: Stage, settings: FloorSettings, wake: asyncio.Event) -> None:
    """Fetch, apply, commit the offsets; for ever."""
    connection = await settings.connect(stage.name)
    consumer = kafka.consumer(settings, f"tenure.{stage.name}", f"floor-{stage.name}")
    await consumer.start()
    prefix = settings.kafka_topic_prefix
    consumer.subscribe([prefix + topic for topic in (*stage.topics, *stage.tables_of)])
    try:
        while True:
            fetched = await consumer.getmany(timeout_ms=300, max_records=_CONSUMED_MAX)
            messages = [
                message
                for partition, records in fetched.items()
                for message in floor_rows.decoded(partition.topic.removeprefix(prefix), records)
            ]
            if messages:
                await apply(connection, stage, messages)
                wake.set()
                await consumer.commit()
    finally:
        await consumer.stop()


async def relay(stage: Stage, settings: FloorSettings, wake: asyncio.Event) -> None:
    """Publish what is in the outbox, delete it after the acknowledgement; for ever."""
    connection = await settings.connect(stage.name)
    await connection.execute("set synchronous_commit = off")
    producer = kafka.producer(settings, f"floor-{stage.name}")
    await producer.start()
    content = ("content-type", CONTENT_TYPE.encode())
    try:
        while True:
            wake.clear()
            rows = await connection.fetch(_NEXT, _PUBLISHED_MAX)
            if not rows:
                await wake.wait()
                continue
            sent = [
                await producer.send(
                    settings.kafka_topic_prefix + row["topic"],
                    row["value"],
                    row["key"].encode(),
                    headers=[content, ("ce_type", row["type"].encode())],
                )
                for row in rows
            ]
            await asyncio.gather(*sent)
            await connection.execute(_DONE, [row["id"] for row in rows])
    finally:
        await producer.stop()


async def serve(stage: Stage, settings: FloorSettings) -> None:
    """Run both loops until SIGTERM."""
    wake = asyncio.Event()
    wake.set()
    loops = asyncio.gather(consume(stage, settings, wake), relay(stage, settings, wake))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, loops.cancel)
    try:
        await loops
    except asyncio.CancelledError:
        return


if __name__ == "__main__":
    uvloop.run(serve(STAGES[sys.argv[1]], load_settings(FloorSettings)))
