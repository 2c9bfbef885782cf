"""Looks how far the services are behind, every few seconds."""

import asyncio
import time
from collections.abc import Callable

from aiokafka.errors import KafkaError
from mode import Service

from contracts.topics import SERVICES
from ops.broker import Broker
from ops.connection import Stack
from ops.errors import OpsError
from ops.offsets import GroupOffsets, reads
from ops.watch.checks import Finding
from ops.watch.lag import Behind, finding, unknown
from ops.watch.metrics import LAG

_EVERY_S = 2.0
Tell = Callable[[dict[str, Finding]], None]


class LagWatch(Service):
    """Tells which services are further behind than `bound_s`.

    A broker that is away says nothing, and how long it was away is nobody's lag.
    """

    def __init__(self, stack: Stack, bound_s: float, tell: Tell) -> None:
        super().__init__()
        self._stack, self._bound_s, self._tell = stack, bound_s, tell

    @Service.task
    async def _look(self) -> None:
        while not self.should_stop:
            try:
                async with GroupOffsets(self._stack, reads(self._stack)) as offsets:
                    await self._go_on(offsets)
            except (KafkaError, OpsError, OSError, TimeoutError):
                await self.sleep(_EVERY_S)

    async def _go_on(self, offsets: GroupOffsets) -> None:
        services = {name: Behind(name) for name in SERVICES}
        async with Broker(self._stack) as broker:
            while not self.should_stop:
                committed, ends = await asyncio.gather(offsets.committed(), offsets.ends())
                firsts = await broker.consumer.beginning_offsets(list(ends))
                found: dict[str, Finding] = {}
                for name, behind in services.items():
                    group = self._stack.group(name)
                    own = {tp: ends[tp] for tp in offsets.partitions_of(group) if tp in ends}
                    # What retention took is not to be read any more.
                    read = {tp: max(committed[group].get(tp, 0), firsts[tp]) for tp in own}
                    behind_s = behind.seconds(time.monotonic(), own, read)
                    LAG.labels(name).set(behind_s)
                    if behind_s > self._bound_s:
                        late = {tp: end - read[tp] for tp, end in own.items() if end > read[tp]}
                        worst = max(late, key=lambda tp: late[tp])
                        topic = self._stack.plain_topic(worst.topic)
                        where = f"{topic}/{worst.partition}/{read[worst]}"
                        found[name] = finding(name, behind_s, sum(late.values()), where)
                    elif not behind.known:
                        found[name] = unknown(name)
                self._tell(found)
                await self.sleep(_EVERY_S)
