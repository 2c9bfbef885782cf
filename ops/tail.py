"""`tenure tail`: several topics as one stream, in the order in which the broker took the records."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from aiokafka import ConsumerRecord, TopicPartition
from cyclopts import Parameter

from contracts.catalogue import MESSAGES
from contracts.topics import TOPICS
from ops.broker import FETCH_WAIT_MS, Broker, Offsets
from ops.connection import Stack, find_stack
from ops.errors import NotFound
from ops.instants import since as since_instant
from ops.merge import TimeMerge
from ops.records import read_to
from ops.subscriptions import find_in_stack
from ops.tail_lines import as_json, line, understood
from ops.terminal import console, emit, run, say, suggestion

_NAMES = tuple(topic.name for topic in TOPICS)


@dataclass(frozen=True)
class Wanted:
    """What to show."""

    topics: tuple[str, ...]
    keys: frozenset[bytes] | None = None
    type: str | None = None
    since: datetime | None = None
    follow: bool = True
    limit: int | None = None

    def fits(self, record: ConsumerRecord) -> bool:
        """Whether a record is asked for."""
        if self.keys is not None and record.key not in self.keys:
            return False
        if self.type is None:
            return True
        message = understood(record.value)
        return message is not None and self.type in message.type


def tail(
    topics: Annotated[tuple[str, ...], Parameter(help="Topics; all when none is named.")] = (),
    /,
    *,
    subscription: Annotated[str | None, Parameter(help="Id or provider's reference.")] = None,
    type: Annotated[str | None, Parameter(help="Part of a type, such as period-.")] = None,
    since: Annotated[
        str | None, Parameter(help="10m ago, or an instant, by the broker's clock.")
    ] = None,
    follow: Annotated[bool, Parameter(help="Go on with what comes.")] = True,
    limit: Annotated[int | None, Parameter(help="End after this many; newest of the past.")] = None,
    unmasked: Annotated[bool, Parameter(help="Show names and addresses.")] = False,
    json: Annotated[bool, Parameter(help="One JSON object per line.")] = False,
) -> None:
    """Show records of topics as they come, or the past ones with --since or --no-follow."""
    stack = find_stack()
    wanted = Wanted(
        topics=_checked_topics(topics),
        type=_checked_type(type),
        since=since_instant(since, datetime.now(UTC)) if since else None,
        follow=follow,
        limit=limit,
    )
    out = console()

    def show(record: ConsumerRecord) -> None:
        topic = stack.plain_topic(record.topic)
        if json:
            emit(as_json(record, topic, unmasked=unmasked))
        else:
            out.print(line(record, topic, unmasked=unmasked), soft_wrap=True)

    run(_tail(stack, wanted, subscription, show))


def _checked_topics(given: Sequence[str]) -> tuple[str, ...]:
    for name in given:
        if name not in _NAMES:
            raise NotFound(f"There is no topic '{name}'.{suggestion(name, _NAMES)}")
    return tuple(given) or _NAMES


def _checked_type(given: str | None) -> str | None:
    if given is not None and not any(given in known for known in MESSAGES):
        words = {part for known in MESSAGES for part in (known, known.split(".")[1])}
        raise NotFound(f"No message type contains '{given}'.{suggestion(given, words)}")
    return given


async def _tail(
    stack: Stack, wanted: Wanted, subscription: str | None, show: Callable[[ConsumerRecord], None]
) -> None:
    if subscription is not None:
        known = await find_in_stack(stack, subscription)
        keys = frozenset((str(known.id).encode(), known.reference.encode()))
        wanted = Wanted(**{**vars(wanted), "keys": keys})
    shown = 0
    async with aclosing(stream(stack, wanted)) as records:
        async for record in records:
            show(record)
            shown += 1
            if wanted.limit is not None and shown >= wanted.limit:
                return


async def stream(stack: Stack, wanted: Wanted) -> AsyncGenerator[ConsumerRecord, None]:
    """The wanted records: the past in time order (the newest `limit`), then what comes.

    Close it (`aclosing`) when leaving early, or its connection stays.
    """
    async with Broker(stack) as broker:
        parts = await broker.partitions(stack.topic(name) for name in wanted.topics)
        ends = await broker.ends(parts)
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


async def _starts(
    broker: Broker, parts: Sequence[TopicPartition], ends: Offsets, wanted: Wanted
) -> dict[TopicPartition, int]:
    if wanted.since is not None:
        instant = int(wanted.since.timestamp() * 1000)
        found = await broker.consumer.offsets_for_times(dict.fromkeys(parts, instant))
        return {tp: entry.offset if entry else ends[tp] for tp, entry in found.items()}
    if wanted.follow:
        return dict(ends)
    return dict(await broker.consumer.beginning_offsets(list(parts)))


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
