"""The load and its stopwatch: one process produces and receives, so one clock sees both ends."""

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from aiokafka import TopicPartition

from bench.orders import PaidOrder
from chassis import kafka
from chassis.settings import KafkaSettings
from contracts.licensing import EntitlementGranted
from contracts.topics import (
    BILLING_EVENTS,
    LICENSING_ENTITLEMENTS,
    LICENSING_EVENTS,
    PAYMENTS_EVENTS,
    Topic,
)

_POLL_S = 0.02
#: What is watched: the topic, and the type that counts (None: any).
PERIOD_SCHEDULED = (BILLING_EVENTS, "billing.period-scheduled.v1")
GRANTED = (LICENSING_EVENTS, EntitlementGranted.TYPE)
ENTITLEMENT = (LICENSING_ENTITLEMENTS, None)
Watch = tuple[Topic, str | None]
Advance = Callable[[int], None]


class LateError(Exception):
    """A measure did not end in its time."""


class Load:
    """Produces paid orders under a topic prefix and notes when each key is first seen on a topic."""

    def __init__(self, settings: KafkaSettings, watches: Collection[Watch]) -> None:
        """Nothing is opened yet; instants are seconds of the monotonic clock."""
        self._settings = settings
        self._types: dict[str, list[Watch]] = {}
        for watch in watches:
            self._types.setdefault(self._name(watch[0]), []).append(watch)
        self.seen: dict[Watch, dict[str, float]] = {watch: {} for watch in watches}

    def _name(self, topic: Topic) -> str:
        return self._settings.kafka_topic_prefix + topic.name

    async def __aenter__(self) -> Self:
        """Open the producer, and the reader at the present ends of the watched topics."""
        self._producer = kafka.producer(self._settings, "bench")
        self._reader = kafka.reader(self._settings)
        await self._producer.start()
        await self._reader.start()
        partitions = [
            TopicPartition(topic, number)
            for topic in self._types
            for number in range(self._settings.kafka_partitions)
        ]
        self._reader.assign(partitions)
        await self._reader.seek_to_end(*partitions)
        self._receiving = asyncio.create_task(self._receive())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close both."""
        self._receiving.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await self._receiving
        for client in (self._reader, self._producer):
            with suppress(Exception):
                await asyncio.wait_for(client.stop(), 10)

    async def _receive(self) -> None:
        while True:
            fetched = await self._reader.getmany(timeout_ms=200)
            now = time.monotonic()
            for partition, records in fetched.items():
                for watch in self._types[partition.topic]:
                    self._note(self.seen[watch], watch[1], records, now)

    def _note(
        self, seen: dict[str, float], type: str | None, records: Sequence[Any], now: float
    ) -> None:
        header = None if type is None else ("ce_type", type.encode())
        for record in records:
            if header is None or header in record.headers:
                seen.setdefault(record.key.decode(), now)

    def forget(self) -> None:
        """Start the next measure with nothing seen."""
        for seen in self.seen.values():
            seen.clear()

    async def burst(self, orders: Sequence[PaidOrder]) -> float:
        """Produce everything as fast as the broker takes it; the instant of the first record."""
        topic, began = self._name(PAYMENTS_EVENTS), time.monotonic()
        for order in orders:
            await self._producer.send(topic, order.order, order.reference)
            await self._producer.send(topic, order.payment, order.reference)
        await self._producer.flush()
        return began

    async def paced(
        self, orders: Sequence[PaidOrder], rate_per_s: int, advance: Advance
    ) -> dict[str, float]:
        """Produce at a steady rate; the instant at which each payment was due to be produced.

        It counts from the schedule, so that a stalled sender does not hide what it delays.
        """
        topic, due_at, paid_at = self._name(PAYMENTS_EVENTS), time.monotonic() + 0.1, {}
        for number, order in enumerate(orders):
            wait_s = due_at - time.monotonic()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            await self._producer.send(topic, order.order, order.reference)
            await self._producer.send(topic, order.payment, order.reference)
            paid_at[order.subscription_id] = due_at
            due_at += 1 / rate_per_s
            if number % 50 == 0:
                advance(number)
        await self._producer.flush()
        return paid_at

    async def last(
        self,
        watch: Watch,
        count: int,
        *,
        timeout_s: float,
        advance: Advance,
        alive: Callable[[], None],
    ) -> float:
        """The instant at which `count` keys had been seen. Raises LateError, and what `alive` raises."""
        seen, end = self.seen[watch], time.monotonic() + timeout_s
        while len(seen) < count:
            alive()
            if self._receiving.done():
                await self._receiving
            if time.monotonic() > end:
                raise LateError(
                    f"{len(seen)} of {count} keys came to {watch[0].name} in {timeout_s:g} s."
                )
            advance(len(seen))
            await asyncio.sleep(_POLL_S)
        advance(count)
        return max(seen.values())
