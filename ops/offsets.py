"""How far the consumer groups are: committed offsets against the ends of what they read."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

import stamina
from aiokafka import TopicPartition
from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaError

from contracts.topics import SERVICES, TOPICS
from ops.broker import Broker, Offsets
from ops.connection import Stack
from ops.work import Work

#: The simulator's group and what it reads, relative to the topic prefix.
_PAYMENT_SYSTEM = ("payment-system", "payments.requests")


def reads(stack: Stack) -> dict[str, tuple[str, ...]]:
    """Which topics each service's group reads, by the topic table."""
    return {
        stack.group(service): tuple(stack.topic(t.name) for t in TOPICS if service in t.readers)
        for service in SERVICES
    }


async def find_groups(stack: Stack, work: Work) -> dict[str, tuple[str, ...]]:
    """The groups of the services, and the simulator's where it has plans or has ever consumed."""
    groups = reads(stack)
    simulator = [item for item in work.items if item.schema == "simulator"]
    if not simulator:
        return groups
    own = payment_system(stack)
    if not any(item.next_due_at for item in simulator):
        async with Broker(stack) as broker:
            known = await broker.admin.list_consumer_groups()
        if not own.keys() & {name for name, *_ in known}:
            return groups
    return groups | own


def payment_system(stack: Stack) -> dict[str, tuple[str, ...]]:
    """What the simulator's group reads."""
    group, topic = (stack.topic(name) for name in _PAYMENT_SYSTEM)
    return {group: (topic,)}


class GroupOffsets:
    """Asks Kafka for committed and end offsets; one look takes a few milliseconds.

    Ends are read by a consumer without a subscription: one that is fetching answers slowly. Any
    method may raise KafkaError; `__aenter__` raises Unavailable.
    """

    def __init__(self, stack: Stack, groups: Mapping[str, Sequence[str]]) -> None:
        self.groups = groups
        self._broker = Broker(stack)
        self._coordinators: dict[str, int] = {}
        self._partitions: Sequence[TopicPartition] = ()

    async def __aenter__(self) -> Self:
        """Connect. Raises Unavailable."""
        async with AsyncExitStack() as opening:
            await opening.enter_async_context(self._broker)
            self._partitions = await self._broker.partitions(
                {topic for topics in self.groups.values() for topic in topics}
            )
            opening.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Disconnect."""
        await self._broker.__aexit__(kind, error, trace)

    def partitions_of(self, group: str) -> list[TopicPartition]:
        """The partitions that a group should read."""
        return [tp for tp in self._partitions if tp.topic in self.groups[group]]

    async def ends(self) -> Offsets:
        """The offset of the next record of every partition that somebody reads."""
        return await self._broker.ends(self._partitions)

    async def committed(self) -> dict[str, Offsets]:
        """The committed offsets of every group; partitions without a commit are missing."""
        groups = list(self.groups)
        found = await asyncio.gather(*(self._committed(group) for group in groups))
        return dict(zip(groups, found, strict=True))

    async def _committed(self, group: str) -> Offsets:
        admin = self._broker.admin
        if group not in self._coordinators:
            self._coordinators[group] = await self._find_coordinator(group)
        try:
            found = await admin.list_consumer_group_offsets(
                group, group_coordinator_id=self._coordinators[group]
            )
        except KafkaError:
            del self._coordinators[group]  # it may have moved
            raise
        return {tp: entry.offset for tp, entry in found.items() if entry.offset >= 0}

    @stamina.retry(
        on=GroupCoordinatorNotAvailableError, timeout=10, wait_initial=0.05, wait_max=0.5
    )
    async def _find_coordinator(self, group: str) -> int:
        # The first question ever makes the broker create its offsets topic, which takes a moment.
        node: int = await self._broker.admin.find_coordinator(group)
        return node

    def lag(self, committed: Mapping[str, Offsets], ends: Offsets) -> dict[tuple[str, str], int]:
        """Records not yet committed by (group, topic); only what lags. No commit counts from 0."""
        lag: dict[tuple[str, str], int] = {}
        for group in self.groups:
            for tp in self.partitions_of(group):
                behind = ends.get(tp, 0) - committed[group].get(tp, 0)
                if behind > 0:
                    lag[group, tp.topic] = lag.get((group, tp.topic), 0) + behind
        return lag


def moved(before: Offsets, after: Offsets) -> Iterable[str]:
    """The topics that were written to between two looks at their ends."""
    return sorted({tp.topic for tp, end in after.items() if before.get(tp) != end})
