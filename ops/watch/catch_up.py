"""Up to which instant everything that was told has been read.

Topics are read side by side: without this, a watch that is behind on one of them would miss what only
it has not read yet.
"""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from contracts.topics import OPS_ALERTS
from ops.broker import Broker
from ops.connection import Stack
from ops.watch.auditor import JOINED
from ops.watch.hearing import Place

#: What alerts rest on. The others are only counted; of compacted ones the last record need not be kept.
_NEEDED = (*JOINED, OPS_ALERTS.name)


@dataclass(slots=True)
class CatchUp:
    """The offsets to reach, by topic (without prefix) and partition."""

    ends: Mapping[Place, int] = field(default_factory=dict)
    #: The offsets of the first records that retention has left.
    firsts: Mapping[Place, int] = field(default_factory=dict)

    def done(self, positions: Mapping[Place, int], firsts: Mapping[Place, int]) -> bool:
        """Whether all of it was read, or taken away by retention: `firsts` as they are by now."""
        return all(max(positions.get(p, 0), firsts[p]) >= end for p, end in self.ends.items())


class Ends:
    """`async with Ends(stack)` looks where the topics that alerts rest on begin and end."""

    def __init__(self, stack: Stack) -> None:
        """Nothing is connected yet."""
        self._stack = stack
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Connect. Raises Unavailable."""
        async with AsyncExitStack() as opening:
            self._broker = await opening.enter_async_context(Broker(self._stack))
            names = [self._stack.topic(name) for name in _NEEDED]
            self._partitions = await self._broker.partitions(names)
            self._open = opening.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Disconnect."""
        await self._open.aclose()

    async def look(self) -> CatchUp:
        """Where they begin and end now. Raises KafkaError."""
        ends = await self._broker.ends(self._partitions)
        firsts = await self._broker.consumer.beginning_offsets(self._partitions)
        plain = {tp: (self._stack.plain_topic(tp.topic), tp.partition) for tp in self._partitions}
        return CatchUp(
            {plain[tp]: end for tp, end in ends.items()},
            {plain[tp]: first for tp, first in firsts.items()},
        )
