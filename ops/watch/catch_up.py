"""Up to which instant everything that was told has been read.

Topics are read side by side: without this, a watch that is behind on one of them would miss what only
it has not read yet.
"""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from contracts.topics import BILLING_EVENTS, TOPICS
from ops.broker import Broker
from ops.connection import Stack

#: Kafka need not keep the very last record of a compacted partition: silence counts as the end as well.
_SILENCE_S = 5.0


@dataclass(slots=True)
class CatchUp:
    """The offsets to reach, by topic (without prefix) and partition; empty partitions are left out."""

    ends: Mapping[tuple[str, int], int] = field(default_factory=dict)
    #: No record of billing.events was deleted by retention yet.
    billing_whole: bool = True

    def done(self, positions: Mapping[tuple[str, int], int], silent_s: float) -> bool:
        """Whether all of it was read, or nothing has come for so long that no more will."""
        read = all(positions.get(place, 0) >= end for place, end in self.ends.items())
        return read or (bool(positions) and silent_s > _SILENCE_S)


class Ends:
    """`async with Ends(stack)` looks where all topics begin and end."""

    def __init__(self, stack: Stack) -> None:
        """Nothing is connected yet."""
        self._stack = stack
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Connect. Raises Unavailable."""
        async with AsyncExitStack() as opening:
            self._broker = await opening.enter_async_context(Broker(self._stack))
            names = [self._stack.topic(topic.name) for topic in TOPICS]
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
        billing = (tp for tp in self._partitions if plain[tp][0] == BILLING_EVENTS.name)
        return CatchUp(
            {plain[tp]: end for tp, end in ends.items() if end > firsts[tp]},
            not any(firsts[tp] for tp in billing),
        )
