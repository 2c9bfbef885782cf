"""Reading topics up to their present ends: whole, or the records of one key."""

from collections.abc import AsyncIterator, Iterable, Mapping

from aiokafka import ConsumerRecord, TopicPartition

from contracts.topics import TOPICS
from ops.broker import FETCH_WAIT_MS, Broker, Offsets, home_of
from ops.connection import Stack

_BATCH = 2000
#: Written by clients that we do not choose, so perhaps with another partitioner.
_FOREIGN = frozenset(topic.name for topic in TOPICS if topic.writer == "payment systems")


async def read_to(
    broker: Broker, ends: Offsets
) -> AsyncIterator[Mapping[TopicPartition, list[ConsumerRecord]]]:
    """Batches by partition, from the present positions up to `ends` (offset of the next record)."""
    consumer = broker.consumer
    while True:
        left = [tp for tp, end in ends.items() if await consumer.position(tp) < end]
        if not left:
            return
        batch = await consumer.getmany(*left, timeout_ms=FETCH_WAIT_MS, max_records=_BATCH)
        yield {tp: [r for r in records if r.offset < ends[tp]] for tp, records in batch.items()}


async def read_whole(
    broker: Broker, partitions: Iterable[TopicPartition], key: bytes | None = None
) -> list[ConsumerRecord]:
    """All records of some partitions up to their present ends; with `key` only those of the key."""
    ends = await broker.ends(list(partitions))
    written = {tp: end for tp, end in ends.items() if end > 0}
    if not written:
        return []
    broker.consumer.assign(list(written))
    await broker.consumer.seek_to_beginning(*written)
    found: list[ConsumerRecord] = []
    async for batch in read_to(broker, written):
        for records in batch.values():
            found += records if key is None else [r for r in records if r.key == key]
    return found


async def read_keys(stack: Stack, wanted: Mapping[str, bytes]) -> list[ConsumerRecord]:
    """The records of one key per topic (plain names), each from the one partition of the key.

    Raises Unavailable.
    """
    async with Broker(stack) as broker:
        parts = {name: await broker.partitions([stack.topic(name)]) for name in wanted}
        homes = {name: home_of(key, parts[name]) for name, key in wanted.items()}
        keys = {stack.topic(name): key for name, key in wanted.items()}
        found = await read_whole(broker, homes.values())
        found = [record for record in found if record.key == keys[record.topic]]
        for name in _FOREIGN & wanted.keys():
            if not any(record.topic == stack.topic(name) for record in found):
                others = [tp for tp in parts[name] if tp != homes[name]]
                found += await read_whole(broker, others, wanted[name])
        return found
