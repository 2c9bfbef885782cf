"""Writing to any topic of a running stack and waiting until all services have dealt with it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.structs import RecordMetadata

from contracts.topics import PAYMENTS_EVENTS, Topic
from ops.connection import Stack
from ops.offsets import reads
from ops.quiet import Quiet
from ops.recording import Recording
from ops.work import read_now
from tests.support import upstream

_PATIENCE_S = 60.0
Header = tuple[str, bytes | None]


class Desk:
    """`async with desk_at(...)` gives one; `recording` holds what was written since then."""

    def __init__(
        self, stack: Stack, producer: AIOKafkaProducer, recording: Recording, quiet: Quiet
    ) -> None:
        """All is open already."""
        self.stack = stack
        self.recording = recording
        self._producer = producer
        self._quiet = quiet

    async def now(self) -> datetime:
        """The stack's clock."""
        async with self.stack.database() as connection:
            return await read_now(connection, virtual=self.stack.virtual)

    async def send(
        self, topic: Topic, key: bytes | None, value: bytes | None, headers: Sequence[Header] = ()
    ) -> RecordMetadata:
        """Publish one record as it is; where it went."""
        name = self.stack.topic(topic.name)
        # Kafka takes a header without a value, which the client's types do not know.
        given: Any = list(headers)
        return await self._producer.send_and_wait(name, value, key=key, headers=given)

    async def tell(
        self, reference: str, type: str, at: datetime, data: dict[str, Any], **more: Any
    ) -> RecordMetadata:
        """Publish one event of a payment system."""
        message = upstream.message(reference, type, at, data, **more)
        return await self.send(PAYMENTS_EVENTS, reference.encode(), upstream.raw(message))

    async def subscribe(self, reference: str, at: datetime, **more: Any) -> None:
        """An order and its payment."""
        order, paid = upstream.order(reference, f"{reference}-1"), f"{reference}-1"
        await self.tell(reference, "order-placed", at, order, **more)
        await self.tell(reference, "payment-succeeded", at, upstream.success(paid), **more)

    async def settled(self) -> None:
        """Wait until every service has caught up, and read what they said."""
        await self._quiet.wait(_PATIENCE_S)
        await self.recording.read_on()


@asynccontextmanager
async def desk_at(stack: Stack, producer: AIOKafkaProducer) -> AsyncIterator[Desk]:
    """A desk; nobody answers the requests to upstream, so nobody waits for them to be read."""
    async with Recording(stack) as recording, Quiet(stack, reads(stack)) as quiet:
        yield Desk(stack, producer, recording, quiet)
