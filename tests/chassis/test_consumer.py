"""The consumer loop: nothing is skipped, nothing acknowledged too early, whoever joins or leaves."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import NewTopic

from chassis import kafka
from chassis.consumer import Consumer
from chassis.errors import DeadLetterLimit, TransientError
from chassis.records import Record
from tests.support.eventually import eventually
from tests.support.worker_stack import WorkerStack

Sink = Callable[[Sequence[Record]], Awaitable[None]]


class Queue:
    """A topic of one test, what consumers saw of it, and what they acknowledged."""

    def __init__(self, stack: WorkerStack, producer: AIOKafkaProducer) -> None:
        """The topic does not exist yet."""
        self.name = f"queue.{uuid4().hex[:8]}"
        self.settings = stack.ops.kafka
        self.seen: list[bytes] = []
        self._producer = producer

    @property
    def partitions(self) -> list[TopicPartition]:
        """Its partitions in Kafka."""
        topic = self.settings.kafka_topic_prefix + self.name
        return [TopicPartition(topic, number) for number in range(3)]

    async def create(self) -> None:
        """Make the topic."""
        client = kafka.admin(self.settings)
        await client.start()
        topic = self.partitions[0].topic
        await client.create_topics([NewTopic(topic, 3, 1)])
        while topic not in await client.list_topics():
            pass
        await client.close()

    async def put(self, *numbers: int) -> None:
        """Publish numbers, spread over the partitions."""
        sent = [
            await self._producer.send(
                self.partitions[0].topic, b"%d" % n, key=b"%d" % n, partition=n % 3
            )
            for n in numbers
        ]
        await asyncio.gather(*sent)

    async def note(self, records: Sequence[Record]) -> None:
        """Remember what came."""
        self.seen += [record.value or b"" for record in records]

    def has(self, count: int) -> bool:
        """Whether all numbers below `count` came."""
        return {b"%d" % n for n in range(count)} <= set(self.seen)

    async def committed(self) -> int:
        """How many records are acknowledged."""
        client = kafka.consumer(self.settings, self.name, "looking")
        await client.start()
        try:
            return sum([await client.committed(p) or 0 for p in self.partitions])
        finally:
            await client.stop()

    @asynccontextmanager
    async def consumer(self, sink: Sink | None = None, batch: int = 10) -> AsyncIterator[Consumer]:
        """A running consumer."""
        made = Consumer(
            self.settings, self.name, [self.name], sink or self.note, lambda starts: None, batch
        )
        await made.start()
        try:
            yield made
        finally:
            await made.stop()


@pytest.fixture
async def queue(stack: WorkerStack, producer: AIOKafkaProducer) -> Queue:
    """An empty topic."""
    made = Queue(stack, producer)
    await made.create()
    return made


async def test_a_backlog_is_consumed_from_its_first_record_and_acknowledged(queue: Queue) -> None:
    await queue.put(*range(50))
    async with queue.consumer() as consumer:
        await eventually(lambda: queue.has(50))
        await eventually(lambda: consumer.trouble is None)
    assert Counter(queue.seen).most_common(1)[0][1] == 1
    assert await queue.committed() == 50


async def test_a_restart_goes_on_where_it_stopped(queue: Queue) -> None:
    for start in (0, 10, 20):
        async with queue.consumer():
            await queue.put(*range(start, start + 10))
            await eventually(lambda start=start: queue.has(start + 10))
    assert len(queue.seen) == 30


async def test_nothing_is_acknowledged_before_its_effect(queue: Queue) -> None:
    async def never(records: Sequence[Record]) -> None:
        await queue.note(records)
        raise TransientError("away")

    await queue.put(*range(10))
    async with queue.consumer(never) as consumer:
        await eventually(lambda: len(queue.seen) > 10)
        await eventually(lambda: "database" in (consumer.trouble or ""))
    assert await queue.committed() == 0
    queue.seen.clear()
    async with queue.consumer():
        await eventually(lambda: queue.has(10))


async def test_a_short_absence_is_no_trouble_and_is_made_up(queue: Queue) -> None:
    failures = iter([True, True, False])

    async def hiccup(records: Sequence[Record]) -> None:
        if next(failures, False):
            raise TransientError("away")
        await queue.note(records)

    await queue.put(*range(10))
    async with queue.consumer(hiccup) as consumer:
        await eventually(lambda: queue.has(10))
        assert consumer.trouble is None
    assert len(queue.seen) == 10


async def test_members_come_and_go_and_nothing_is_lost(queue: Queue) -> None:
    async def slow(records: Sequence[Record]) -> None:
        await asyncio.sleep(0.05)
        await queue.note(records)

    async def feed() -> None:
        for n in range(300):
            await queue.put(n)
            await asyncio.sleep(0.005)

    feeding = asyncio.create_task(feed())
    async with queue.consumer(slow):
        for _ in range(3):
            async with queue.consumer(slow):
                await asyncio.sleep(0.7)
        await feeding
        await eventually(lambda: queue.has(300), 30)

        async def acknowledged() -> bool:
            return await queue.committed() == 300

        await eventually(acknowledged)


@pytest.mark.parametrize("trouble", [TransientError, DeadLetterLimit])
async def test_a_member_in_trouble_does_not_hold_up_a_rebalance(
    queue: Queue, trouble: type[Exception]
) -> None:
    async def troubled(records: Sequence[Record]) -> None:
        raise trouble("made up")

    await queue.put(*range(30))
    async with queue.consumer(troubled) as first:
        await eventually(lambda: first.trouble not in (None, "starting"))
        began = time.monotonic()
        async with queue.consumer() as second:
            await eventually(lambda: second.trouble is None and queue.seen, 20)
        assert time.monotonic() - began < 10
        if trouble is DeadLetterLimit:
            assert "stopped" in (first.trouble or "")


async def test_a_halted_consumer_takes_nothing_more(queue: Queue) -> None:
    calls = 0

    async def limited(records: Sequence[Record]) -> None:
        nonlocal calls
        calls += 1
        raise DeadLetterLimit("5 dead letters in a row")

    await queue.put(*range(30))
    async with queue.consumer(limited) as consumer:
        await eventually(lambda: "stopped" in (consumer.trouble or ""))
        await asyncio.sleep(1)
    assert calls == 1
    assert await queue.committed() == 0


async def test_a_mistake_crashes_and_acknowledges_nothing(queue: Queue) -> None:
    async def mistaken(records: Sequence[Record]) -> None:
        raise ZeroDivisionError

    await queue.put(*range(10))
    async with queue.consumer(mistaken) as consumer:
        await eventually(lambda: consumer.crashed)
    assert await queue.committed() == 0
