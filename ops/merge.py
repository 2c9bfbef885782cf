"""Several partitions as one stream in the order of the record times."""

from collections.abc import Hashable, Iterable, Iterator
from heapq import heappop, heappush
from itertools import count
from typing import Generic, Protocol, TypeVar


class Timed(Protocol):
    """A record with the broker's time in milliseconds."""

    @property
    def timestamp(self) -> int: ...


R = TypeVar("R", bound=Timed)


class TimeMerge(Generic[R]):
    """Holds records back until no partition can bring an earlier one."""

    def __init__(self, sources: Iterable[Hashable]) -> None:
        """`sources` are the partitions that still bring records."""
        self._seen: dict[Hashable, int] = dict.fromkeys(sources, -1)
        self._heap: list[tuple[int, int, R]] = []
        self._order = count()

    def add(self, source: Hashable, records: Iterable[R]) -> None:
        """Take records of one partition, in its order."""
        for record in records:
            heappush(self._heap, (record.timestamp, next(self._order), record))
            if source in self._seen:
                self._seen[source] = record.timestamp

    def finish(self, source: Hashable) -> None:
        """This partition brings no more."""
        self._seen.pop(source, None)

    def ready(self) -> Iterator[R]:
        """The records whose turn has come, oldest first."""
        horizon = min(self._seen.values(), default=None)
        while self._heap and (horizon is None or self._heap[0][0] <= horizon):
            yield heappop(self._heap)[2]
