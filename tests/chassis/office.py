"""The made-up service on topics and a database of its own, as one or more processes."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import asyncpg
from aiokafka import AIOKafkaProducer, TopicPartition

from chassis import kafka, migrations
from contracts.envelope import Envelope
from devstack.processes import Child, spawn
from ops.database import schemas
from ops.services_http import get
from ops.supervisor import free_ports
from tests.chassis.tally_service import SQL
from tests.support.eventually import eventually
from tests.support.held_stack import PROJECT
from tests.support.worker_stack import WorkerStack

COMMANDS, EVENTS, LETTERS = "billing.commands", "billing.events", "billing.dlq"


class Office:
    """Starts processes of the made-up service and looks at what they do."""

    def __init__(self, stack: WorkerStack, producer: AIOKafkaProducer) -> None:
        """Nothing exists yet; see `create`."""
        self.stack = stack
        self._producer = producer
        self._children: list[Child] = []
        self._ports: list[int] = []

    async def create(self) -> None:
        """Make its database and its topics."""
        await self.stack.create_database(self.stack.name, template="template1")
        ops = next(schema for schema in schemas() if schema.name == "ops")
        await migrations.migrate(
            self.stack.dsn("migrator"), [ops, migrations.service_schema("billing", SQL)]
        )
        await kafka.apply_topics(self.stack.ops.kafka)

    async def close(self) -> None:
        """Stop what runs, delete topics and database."""
        for child in self._children:
            await child.stop(signal.SIGKILL)
        client = kafka.admin(self.stack.ops.kafka)
        await client.start()
        mine = [t for t in await client.list_topics() if t.startswith(self.stack.prefix)]
        await client.delete_topics(mine)
        await client.close()
        await self.stack.drop_database(self.stack.name)

    # processes

    def spawn(self, **variables: str) -> int:
        """Start one process; returns its number."""
        self._ports.append(free_ports()["billing"])
        number = len(self._children)
        given: Mapping[str, str] = {
            **{k: v for k, v in os.environ.items() if not k.endswith("_DATABASE_URL")},
            **self.stack.variables,
            "PYTHONPATH": str(PROJECT),
            "CLOCK": "real",
            "BILLING_HTTP_PORT": str(self._ports[number]),
            **variables,
        }
        self._children.append(
            spawn(
                f"tally-{number}",
                [sys.executable, "-m", "tests.chassis.tally_service"],
                log_path=self.log(number),
                death_signal=signal.SIGKILL,
                env=given,
            )
        )
        return number

    def log(self, number: int = 0) -> Path:
        """Where a process logs."""
        return self.stack.folder / f"{self.stack.name}-{number}.log"

    def said(self, number: int = 0) -> str:
        """Everything that a process logged."""
        return self.log(number).read_text()

    def signal(self, number: int, sent: int) -> None:
        """Send a signal to a process."""
        os.kill(self._children[number].pid, sent)

    async def exit_code(self, number: int = 0, timeout_s: float = 40) -> int:
        """Wait for the end of a process."""
        child = self._children[number]
        await eventually(lambda: not child.running(), timeout_s, "the process ends")
        return int(child.popen.returncode)

    async def get(self, path: str, number: int = 0) -> tuple[int, Any]:
        """Ask a process over HTTP."""
        return await get(f"http://127.0.0.1:{self._ports[number]}{path}")

    async def ready(self, number: int = 0) -> None:
        """Wait until a process does its work."""

        async def asked() -> bool:
            assert self._children[number].running(), self.said(number)
            status, body = await self.get("/readyz", number)
            assert status == 200, body
            return True

        await eventually(asked, 30, "the service is ready")

    # messages

    async def send(self, *messages: Envelope) -> None:
        """Publish commands."""
        topic = self.stack.ops.topic(COMMANDS)
        sent = [
            await self._producer.send(topic, m.to_json(), key=m.subject.encode()) for m in messages
        ]
        await asyncio.gather(*sent)

    async def send_raw(self, topic: str, key: bytes, value: bytes) -> None:
        """Publish anything."""
        await self._producer.send_and_wait(self.stack.ops.topic(topic), value, key=key)

    async def read(self, topic: str, count: int, timeout_s: float = 20) -> list[Any]:
        """The first `count` records of a topic, in order per partition."""
        client = kafka.reader(self.stack.ops.kafka)
        await client.start()
        try:
            name = self.stack.ops.topic(topic)
            partitions = [TopicPartition(name, number) for number in range(3)]
            client.assign(partitions)
            found: list[Any] = []

            async def more() -> bool:
                for records in (await client.getmany(timeout_ms=100)).values():
                    found.extend(records)
                return len(found) >= count

            await eventually(more, timeout_s, f"{count} records on {topic}")
            return found
        finally:
            await client.stop()

    async def caught_up(self, timeout_s: float = 20) -> None:
        """Wait until the committed offsets are the ends of the command topic."""
        settings = self.stack.ops.kafka
        client = kafka.consumer(settings, "tenure.billing", "looking")
        await client.start()
        try:
            name = self.stack.ops.topic(COMMANDS)
            partitions = [TopicPartition(name, number) for number in range(3)]

            async def same() -> bool:
                ends = await client.end_offsets(partitions)
                committed = {p: await client.committed(p) or 0 for p in partitions}
                return committed == ends

            await eventually(same, timeout_s, "offsets are committed")
        finally:
            await client.stop()

    async def query(self, statement: str) -> list[asyncpg.Record]:
        """Ask the database as its owner."""
        async with self.stack.connect("migrator") as connection:
            return list(await connection.fetch(statement))
