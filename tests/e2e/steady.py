"""Payments at a steady rate, and how long their customers waited for what they paid."""

import asyncio
import json
import time
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from chassis import kafka
from contracts.envelope import CONTENT_TYPE
from contracts.licensing import EntitlementGranted
from contracts.topics import LICENSING_EVENTS, PAYMENTS_EVENTS
from devstack.behaviour import Customer, opening
from ops.broker import Broker
from ops.records import read_whole
from tests.support.people import id_of, people
from tests.support.sight import Sight

_HEADERS = [("content-type", CONTENT_TYPE.encode())]


@dataclass(frozen=True)
class Waits:
    """In milliseconds of the broker's clock."""

    #: The longest time in which nobody got an entitlement.
    longest_gap_ms: int
    #: From the later of order and payment to the entitlement: the median and the worst.
    median_ms: int
    longest_ms: int


class SteadyLoad:
    """Who came so far, at a fixed rate: one order and its payment each."""

    def __init__(self, sight: Sight, rate_per_s: int, most: int, at: datetime) -> None:
        """Nobody came yet; no more than `most` ever come."""
        self._sight, self._rate_per_s = sight, rate_per_s
        self._to_come = people("steady", most, at)
        self._stopping = asyncio.Event()
        self.customers: list[Customer] = []

    async def run(self) -> None:
        """Publish until `stop`. Counts from the schedule: a stalled sender catches up."""
        topic = self._sight.stack.topic(PAYMENTS_EVENTS.name)
        async with kafka.producer(self._sight.stack.kafka, "upstream") as producer:
            due_at = time.monotonic()
            for customer in self._to_come:
                if self._stopping.is_set():
                    break
                await asyncio.sleep(max(0.0, due_at - time.monotonic()))
                due_at += 1 / self._rate_per_s
                for publication in opening(customer):
                    value = json.dumps(publication.message).encode()
                    key = publication.key.encode()
                    await producer.send(topic, value, key, headers=_HEADERS)
                self.customers.append(customer)
            await producer.flush()

    def stop(self) -> None:
        """No more customers."""
        self._stopping.set()

    async def waits(self) -> Waits:
        """How long they waited, by the broker's timestamps. All must have been served."""
        async with Broker(self._sight.stack) as broker:
            topics = [self._sight.stack.topic(t.name) for t in (PAYMENTS_EVENTS, LICENSING_EVENTS)]
            paid_topic, _ = topics
            records = await read_whole(broker, await broker.partitions(topics))
        paid: dict[str, int] = {}
        granted: dict[str, int] = {}
        for record in records:
            if record.topic == paid_topic:
                reference = record.key.decode()
                paid[reference] = max(paid.get(reference, 0), record.timestamp)
            elif ("ce_type", EntitlementGranted.TYPE.encode()) in record.headers:
                granted.setdefault(record.key.decode(), record.timestamp)
        waits = sorted(
            granted[str(id_of(customer))] - paid[customer.reference] for customer in self.customers
        )
        instants = sorted(granted[str(id_of(customer))] for customer in self.customers)
        gap_ms = max(later - earlier for earlier, later in pairwise(instants))
        return Waits(gap_ms, waits[len(waits) // 2], waits[-1])
