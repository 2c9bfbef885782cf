"""Publishing one message so that it is surely there: acks=all, idempotent."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from chassis import kafka
from contracts.envelope import CONTENT_TYPE, Envelope
from ops.connection import Stack
from ops.errors import Unavailable

Headers = Sequence[tuple[str, bytes]]


@dataclass(frozen=True)
class Outbound:
    """A record to be published; the topic by its plain name."""

    topic: str
    key: bytes | None
    value: bytes
    headers: Headers


@dataclass(frozen=True)
class Place:
    """Where a record went."""

    topic: str
    partition: int
    offset: int


class Sender:
    """An open producer."""

    def __init__(self, stack: Stack, producer: AIOKafkaProducer) -> None:
        self._stack = stack
        self._producer = producer

    async def send(self, topic: str, key: bytes | None, value: bytes, headers: Headers) -> Place:
        """Publish to a topic (plain name) and wait for the broker. Raises Unavailable."""
        name = self._stack.topic(topic)
        try:
            done = await self._producer.send_and_wait(name, value, key=key, headers=list(headers))
        except KafkaError as error:
            raise Unavailable(f"Kafka did not take the message ({error}).") from error
        return Place(topic, done.partition, done.offset)

    async def send_all(self, records: Sequence[Outbound]) -> None:
        """Publish many at once, those of a key in their order, and wait until all are there.

        Raises Unavailable, and then the broker may have some of them.
        """
        try:
            sent = [
                await self._producer.send(
                    self._stack.topic(one.topic), one.value, key=one.key, headers=list(one.headers)
                )
                for one in records
            ]
            await asyncio.gather(*sent)
        except KafkaError as error:
            raise Unavailable(f"Kafka did not take the messages ({error}).") from error


@asynccontextmanager
async def sender(stack: Stack) -> AsyncIterator[Sender]:
    """Connect a producer. Raises Unavailable."""
    producer = kafka.producer(stack.kafka, "tenure-ops")
    try:
        await producer.start()
    except (KafkaError, OSError) as error:
        await producer.stop()
        raise Unavailable(f"Kafka does not answer ({error}): is the stack up?") from error
    try:
        yield Sender(stack, producer)
    finally:
        await producer.stop()


def message_headers(message: Envelope) -> Headers:
    """The headers of every message of ours."""
    return (("content-type", CONTENT_TYPE.encode()), ("ce_type", message.type.encode()))
