"""Kafka as operators read it: without a group, committing nothing."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Self

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.partitioner import DefaultPartitioner

from chassis import kafka
from ops.connection import Stack
from ops.errors import Unavailable

FETCH_WAIT_MS = 200
Offsets = Mapping[TopicPartition, int]


class Broker:
    """A consumer that belongs to no group, and an admin client; `async with Broker(stack)`."""

    def __init__(self, stack: Stack) -> None:
        """Nothing is connected yet."""
        settings = stack.kafka
        self.admin = kafka.admin(settings)
        self.consumer = kafka.reader(settings)

    async def __aenter__(self) -> Self:
        """Connect. Raises Unavailable."""
        try:
            await self.admin.start()
            await self.consumer.start()
        except (KafkaError, OSError) as error:
            await self._close()
            raise Unavailable(f"Kafka does not answer ({error}): is the stack up?") from error
        except asyncio.CancelledError:
            await self._close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Disconnect."""
        await self._close()

    async def _close(self) -> None:
        await self.consumer.stop()
        await self.admin.close()

    async def partitions(self, topics: Iterable[str]) -> list[TopicPartition]:
        """All partitions of topics, named as Kafka has them. Raises Unavailable for a missing one."""
        found = await self.admin.describe_topics(sorted(topics))
        missing = [entry["topic"] for entry in found if entry["error_code"]]
        if missing:
            raise Unavailable(f"Topic '{missing[0]}' does not exist: run `tenure topics apply`.")
        return sorted(
            TopicPartition(entry["topic"], partition["partition"])
            for entry in found
            for partition in entry["partitions"]
        )

    async def ends(self, partitions: Sequence[TopicPartition]) -> Offsets:
        """The offset of the next record of each partition."""
        ends: Offsets = await self.consumer.end_offsets(list(partitions))
        return ends


def home_of(key: bytes, partitions: Sequence[TopicPartition]) -> TopicPartition:
    """The partition that the default partitioner (murmur2, as Java's) gives a key of one topic."""
    ordered = sorted(partitions)
    home: TopicPartition = DefaultPartitioner()(key, ordered, ordered)
    return home
