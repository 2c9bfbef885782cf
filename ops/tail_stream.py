"""The records that `tenure tail` shows: those of the past in the order of the broker's time, then what comes."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from aiokafka import ConsumerRecord, TopicPartition

from ops.broker import FETCH_WAIT_MS, Broker, Offsets
from ops.conditions import Condition, fields_of
from ops.connection import Stack
from ops.merge import TimeMerge
from ops.records import read_to
from ops.tail_lines import headers_of
from ops.terminal import say


@dataclass(frozen=True)
class Wanted:
    """What to show; `since` and `until` are the broker's time, and `follow` has no `until`."""

    topics: tuple[str, ...]
    keys: frozenset[bytes] | None = None
    where: tuple[Condition, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    follow: bool = True
    limit: int | None = None

    def fits(self, record: ConsumerRecord) -> bool:
        """Whether a record is asked for."""
        if self.keys is not None and record.key not in self.keys:
            return False
        if not self.where:
            return True
        fields = fields_of(record.value, headers_of(record))
        return all(condition.holds(fields) for condition in self.where)


async def stream(stack: Stack, wanted: Wanted) -> AsyncGenerator[ConsumerRecord, None]:
    """The wanted records: the past in time order (the newest `limit`), then what comes.

    Of a time range only what lies in it is read. Close it (`aclosing`) when leaving early, or its
    connection stays. Raises Unavailable.
    """
    async with Broker(stack) as broker:
        parts = await broker.partitions(stack.topic(name) for name in wanted.topics)
        ends = await _ends(broker, parts, wanted)
        starts = await _starts(broker, parts, ends, wanted)
        broker.consumer.assign(parts)
        for tp, offset in starts.items():
            broker.consumer.seek(tp, offset)
        async for record in _newest(_past(broker, starts, ends, wanted), wanted.limit):
            yield record
        if not wanted.follow:
            return
        for tp, end in ends.items():
            broker.consumer.seek(tp, end)  # what was fetched beyond the past is fetched again
        say("Waiting for new records; Ctrl-C ends.")
        while True:
            batch = await broker.consumer.getmany(timeout_ms=FETCH_WAIT_MS)
            fresh = [record for records in batch.values() for record in records]
            for record in sorted(fresh, key=lambda r: r.timestamp):
                if wanted.fits(record):
                    yield record
            await asyncio.sleep(0)


async def _ends(broker: Broker, parts: Sequence[TopicPartition], wanted: Wanted) -> Offsets:
    ends = await broker.ends(parts)
    return ends if wanted.until is None else await _at(broker, ends, wanted.until)


async def _starts(
    broker: Broker, parts: Sequence[TopicPartition], ends: Offsets, wanted: Wanted
) -> Offsets:
    if wanted.since is not None:
        return await _at(broker, ends, wanted.since)
    if wanted.follow:
        return dict(ends)
    return dict(await broker.consumer.beginning_offsets(list(parts)))


async def _at(broker: Broker, ends: Offsets, instant: datetime) -> Offsets:
    """The first record of each partition that the broker took at an instant or later; else the end."""
    asked = dict.fromkeys(ends, int(instant.timestamp() * 1000))
    found = await broker.consumer.offsets_for_times(asked)
    return {tp: min(entry.offset, ends[tp]) if entry else ends[tp] for tp, entry in found.items()}


async def _past(
    broker: Broker, starts: Offsets, ends: Offsets, wanted: Wanted
) -> AsyncIterator[ConsumerRecord]:
    left = {tp: end for tp, end in ends.items() if starts[tp] < end}
    merge: TimeMerge[ConsumerRecord] = TimeMerge(left)
    async for batch in read_to(broker, left):
        for tp, records in batch.items():
            merge.add(tp, records)
            if await broker.consumer.position(tp) >= ends[tp]:
                merge.finish(tp)
        for record in merge.ready():
            if wanted.fits(record):
                yield record


async def _newest(
    records: AsyncIterator[ConsumerRecord], limit: int | None
) -> AsyncIterator[ConsumerRecord]:
    if limit is None:
        async for record in records:
            yield record
        return
    kept = deque([record async for record in records], maxlen=limit)
    for record in kept:
        yield record
