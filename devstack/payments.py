"""A payment system simulator: an upstream that knows nothing of us but Kafka and our published schemas.

It publishes what is due on `payments.events`, and answers `payments.requests` by rows that it
writes before it commits its offset, so that a kill loses nothing and repeats at most.
"""

import argparse
import asyncio
import json
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg
import jsonschema_rs
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord

from devstack.behaviour import (
    Behaviour,
    Customer,
    Publication,
    charge_answers,
    opening,
    refund_answer,
)

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"
SCHEMAS = Path(__file__).parent.parent / "contracts" / "schemas"
BATCH = 500


@cache
def validator(type: str) -> jsonschema_rs.Validator:
    """The published schema of a message type."""
    return jsonschema_rs.validator_for(json.loads((SCHEMAS / f"{type}.json").read_text()))


async def add_customers(connection: Connection, customers: Sequence[Customer]) -> None:
    """Plan the lives of customers; adding one again changes nothing."""
    for customer in customers:
        added = await connection.fetchval(
            "insert into simulator.customer (reference, provider_id, behaviour)"
            " values ($1, $2, $3) on conflict do nothing returning reference",
            customer.reference,
            customer.provider_id,
            json.dumps(customer.behaviour.to_json()),
        )
        if added:
            await plan(connection, opening(customer), customer.behaviour)


async def plan(
    connection: Connection, publications: Sequence[Publication], behaviour: Behaviour
) -> None:
    """Keep publications until they are due; those that break a published schema are refused."""
    rows = []
    for publication in publications:
        validator(publication.message["type"]).validate(publication.message)
        value = json.dumps(publication.message, separators=(",", ":"))
        row = (publication.due_at, publication.key, value, publication.charge_id)
        rows += [row, row] if behaviour.repeats else [row]
    await connection.executemany(
        "insert into simulator.publication (due_at, key, value, charge_id) values ($1, $2, $3, $4)",
        rows,
    )


class PaymentSystem:
    """The running simulator: one loop publishes, one answers."""

    def __init__(self, bootstrap: str, database_url: str, prefix: str, virtual: bool) -> None:
        self._bootstrap = bootstrap
        self._database_url = database_url
        self._events, self._requests = f"{prefix}payments.events", f"{prefix}payments.requests"
        self._group = f"{prefix}payment-system"
        self._now_sql = "(select now from ops.clock)" if virtual else "now()"
        self._wake = asyncio.Event()

    async def run(self, stopping: asyncio.Event) -> None:
        """Publish and answer until told to stop."""
        pool = await asyncpg.create_pool(self._database_url, min_size=2, max_size=3)
        listener = await asyncpg.connect(self._database_url)
        await listener.add_listener("tenure_clock", lambda *_: self._wake.set())
        tasks: list[asyncio.Task[None]] = [
            asyncio.create_task(self._publish(pool), name="publish"),
            asyncio.create_task(self._answer(pool), name="answer"),
        ]
        stop: asyncio.Task[Any] = asyncio.create_task(stopping.wait())
        done, _ = await asyncio.wait({stop, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with suppress(OSError, asyncpg.PostgresError):
            await listener.close()
            await pool.close()
        for task in done - {stop}:
            task.result()

    async def _publish(self, pool: asyncpg.Pool) -> None:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap, acks="all", enable_idempotence=True
        )
        await producer.start()
        try:
            while True:
                self._wake.clear()
                if await self._publish_due(pool, producer) < BATCH:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._wake.wait(), 0.25)
        finally:
            with suppress(Exception):
                await asyncio.wait_for(producer.stop(), 5)

    async def _publish_due(self, pool: asyncpg.Pool, producer: AIOKafkaProducer) -> int:
        rows = await pool.fetch(
            "select id, key, value from simulator.publication"
            f" where due_at <= {self._now_sql} order by due_at, id limit {BATCH}"
        )
        sent = []
        for row in rows:
            value = row["value"].encode()
            headers = [
                ("content-type", b"application/cloudevents+json"),
                ("ce_type", json.loads(value)["type"].encode()),
            ]
            sent.append(
                await producer.send(self._events, value, row["key"].encode(), headers=headers)
            )
        if sent:
            await asyncio.gather(*sent)
            ids = [row["id"] for row in rows]
            await pool.execute("delete from simulator.publication where id = any($1)", ids)
        return len(rows)

    async def _answer(self, pool: asyncpg.Pool) -> None:
        consumer = AIOKafkaConsumer(
            self._requests,
            bootstrap_servers=self._bootstrap,
            group_id=self._group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        await consumer.start()
        try:
            while True:
                batch = await consumer.getmany(timeout_ms=200, max_records=BATCH)
                if not batch:
                    continue
                async with pool.acquire() as connection, connection.transaction():
                    for records in batch.values():
                        for record in records:
                            await self._answer_one(connection, record)
                await consumer.commit()
                self._wake.set()
        finally:
            with suppress(Exception, asyncio.CancelledError):
                await asyncio.wait_for(consumer.stop(), 5)

    async def _answer_one(self, connection: Connection, record: ConsumerRecord) -> None:
        message: dict[str, Any] = json.loads(record.value)
        data, reference = message["data"], message["subject"]
        at = datetime.fromisoformat(message["time"]).astimezone(UTC)
        if message["type"] == "payments.charge-withdrawn.v1":
            await connection.execute(
                "delete from simulator.publication where charge_id = $1", data["charge_id"]
            )
            return
        first = await connection.fetchval(
            "insert into simulator.answered values ($1) on conflict do nothing returning request_id",
            data.get("charge_id") or data["refund_id"],
        )
        if not first:
            return
        charging = message["type"] == "payments.charge-requested.v1"
        row = await connection.fetchrow(
            "update simulator.customer set charges = charges + $2::int where reference = $1"
            " returning provider_id, behaviour, charges",
            reference,
            int(charging),
        )
        behaviour = Behaviour.from_json(json.loads(row["behaviour"])) if row else Behaviour()
        provider_id = message["providerid"]
        if charging:
            number = min(row["charges"] if row else 1, len(behaviour.charges)) - 1
            answers = charge_answers(provider_id, reference, data, at, behaviour.charges[number])
        elif behaviour.refund_answers:
            answers = [refund_answer(provider_id, reference, data, at, behaviour)]
        else:
            answers = []
        await plan(connection, answers, behaviour)


def newcomers(count: int, now: datetime) -> list[Customer]:
    """Customers who order from `now` on, one every two seconds, at three providers in turn."""
    providers = ("online-store", "isp-classic", "app-store-like")
    return [
        Customer(
            provider_id=providers[number % len(providers)],
            reference=f"DEMO-{number + 1}",
            name=f"Customer {number + 1}",
            email=f"customer.{number + 1}@example.com",
            ordered_at=now + timedelta(seconds=2 * number),
            payment_after_s=1,
        )
        for number in range(count)
    ]


async def welcome(database_url: str, count: int) -> None:
    """Let so many customers come, who come once however often this is called."""
    connection = await asyncpg.connect(database_url)
    try:
        await add_customers(connection, newcomers(count, datetime.now(UTC)))
    finally:
        await connection.close()


async def main() -> None:
    """Run the simulator with the addresses of the environment."""
    parser = argparse.ArgumentParser(prog="devstack.payments", description=__doc__)
    parser.add_argument("--customers", type=int, default=0, help="so many order at once")
    customers = parser.parse_args().customers
    if customers:
        await welcome(os.environ["SIMULATOR_DATABASE_URL"], customers)
    system = PaymentSystem(
        os.environ["KAFKA_BOOTSTRAP_SERVERS"],
        os.environ["SIMULATOR_DATABASE_URL"],
        os.environ.get("KAFKA_TOPIC_PREFIX", ""),
        os.environ.get("CLOCK") == "virtual",
    )
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await system.run(stopping)


if __name__ == "__main__":
    asyncio.run(main())
