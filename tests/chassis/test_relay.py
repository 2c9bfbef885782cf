"""The relay: in order, each row at least once, shared by workers, and a refused row blocks its key only."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer, ConsumerRecord, TopicPartition

from chassis import kafka, outbox, relay
from chassis.outbox import OutboxRow
from chassis.relay import Relay
from tests.chassis.conftest import Desk
from tests.chassis.tally_service import TallySettings
from tests.support.eventually import eventually
from tests.support.worker_stack import WorkerStack

TOPIC = "billing.events"


class Post:
    """Rows for the outbox, relays that work on it, and what arrives."""

    def __init__(self, stack: WorkerStack, desk: Desk) -> None:
        """No relay runs yet."""
        self._stack, self._desk = stack, desk
        given = {k.lower(): v for k, v in stack.variables.items() if k.startswith("KAFKA_")}
        own = {"BILLING_DATABASE_URL": stack.dsn("billing", f"{stack.name}_tally")}
        self.settings = TallySettings.model_validate({**given, **own})

    async def add(self, *rows: OutboxRow) -> None:
        """Put rows into the outbox in one transaction."""
        async with self._desk.pool.acquire() as connection, connection.transaction():
            await outbox.add(connection, "billing", rows)

    async def left(self) -> int:
        """How many rows wait."""
        return int(await self._desk.pool.fetchval("select count(*) from outbox"))

    async def emptied(self) -> None:
        """Wait until no row waits."""

        async def empty() -> bool:
            return await self.left() == 0

        await eventually(empty, 30, "the outbox is empty")

    @asynccontextmanager
    async def relay(self) -> AsyncIterator[Relay]:
        """A running relay."""
        made = Relay(self.settings, "billing")
        await made.start()
        try:
            yield made
        finally:
            await made.stop()

    async def arrived(self, keys: Sequence[str]) -> dict[str, list[bytes]]:
        """The values on the topic by key, in order."""
        found: defaultdict[str, list[bytes]] = defaultdict(list)
        for record in await self._records():
            if (record.key or b"").decode() in keys:
                found[record.key.decode()].append(record.value)
        return found

    async def _records(self) -> list[ConsumerRecord]:
        client = kafka.reader(self.settings)
        await client.start()
        try:
            topic = self._stack.ops.topic(TOPIC)
            partitions = [TopicPartition(topic, number) for number in range(3)]
            client.assign(partitions)
            await client.seek_to_beginning()
            ends = await client.end_offsets(partitions)
            records: list[ConsumerRecord] = []
            while any([await client.position(p) < end for p, end in ends.items()]):
                for fetched in (await client.getmany(timeout_ms=200)).values():
                    records += fetched
            return records
        finally:
            await client.stop()


def row(key: str, value: bytes, topic: str = TOPIC) -> OutboxRow:
    return OutboxRow(topic, key, uuid4(), "billing.cancellation-withdrawn.v1", value)


@pytest_asyncio.fixture
async def post(stack: WorkerStack, desk: Desk) -> Post:
    """An empty outbox."""
    return Post(stack, desk)


async def test_rows_leave_in_order_and_are_deleted(post: Post) -> None:
    keys = [str(uuid4()) for _ in range(30)]
    await post.add(*(row(key, b"%d" % n) for n in range(10) for key in keys))
    async with post.relay():
        await post.emptied()
    arrived = await post.arrived(keys)
    assert [arrived[key] for key in keys] == [[b"%d" % n for n in range(10)]] * 30


async def test_relays_share_the_shards_and_take_over(post: Post) -> None:
    keys = [str(uuid4()) for _ in range(40)]
    async with post.relay() as first:
        await eventually(lambda: len(first._shards) == outbox.SHARDS)
        async with post.relay() as second:
            half = outbox.SHARDS // 2
            await eventually(lambda: len(first._shards) == len(second._shards) == half)
            assert not first._shards & second._shards
            for n in range(5):
                await post.add(*(row(key, b"%d" % n) for key in keys))
            await post.emptied()
        await eventually(lambda: len(first._shards) == outbox.SHARDS)
    arrived = await post.arrived(keys)
    assert [arrived[key] for key in keys] == [[b"0", b"1", b"2", b"3", b"4"]] * 40


async def test_another_relay_takes_over_at_once_when_a_session_is_lost(
    post: Post, stack: WorkerStack
) -> None:
    key = str(uuid4())
    async with post.relay() as relay:
        await eventually(lambda: relay._shards)
        async with stack.connect("superuser", "postgres") as connection:
            await connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where application_name = 'tenure.billing.relay' and datname = $1",
                f"{stack.name}_tally",
            )
        await post.add(row(key, b"after"))
        await post.emptied()
    assert (await post.arrived([key]))[key] == [b"after"]


async def test_a_refused_row_blocks_its_key_and_no_other(post: Post, desk: Desk) -> None:
    bad, good = str(uuid4()), str(uuid4())
    too_large = row(bad, b"x" * (3 * 1024 * 1024))
    await post.add(row(bad, b"first"), too_large, row(good, b"good"), row(bad, b"behind"))
    async with post.relay():

        async def rest() -> bool:
            return await post.left() == 1

        await eventually(rest, 30)
        await asyncio.sleep(0.5)
    assert await post.left() == 1
    dead = await desk.pool.fetchrow("select key, error from outbox_dead")
    assert dead["key"] == bad
    assert "Size" in dead["error"]
    arrived = await post.arrived([bad, good])
    assert (arrived[bad], arrived[good]) == ([b"first"], [b"good"])


async def test_a_row_that_the_broker_refuses_is_found(post: Post, desk: Desk) -> None:
    """Two megabytes pass the producer and a dead-letter topic, but not this topic."""
    bad, good, letter = str(uuid4()), str(uuid4()), str(uuid4())
    await post.add(
        row(letter, b"l" * 1_900_000, "billing.dlq"),
        row(good, b"good"),
        row(bad, b"b" * 1_500_000),
    )
    async with post.relay():
        await post.emptied()
    dead = await desk.pool.fetch("select key from outbox_dead")
    assert [one["key"] for one in dead] == [bad]
    assert set((await post.arrived([good]))[good]) == {b"good"}


async def test_a_lost_acknowledgement_sends_again_in_order(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = str(uuid4())
    await post.add(*(row(key, b"%d" % n) for n in range(5)))
    real = AIOKafkaProducer.send
    calls = 0

    async def lossy(self: AIOKafkaProducer, *args: object, **named: object) -> object:
        nonlocal calls
        calls += 1
        future = await real(self, *args, **named)
        if calls == 3:
            await future
            raise TimeoutError
        return future

    monkeypatch.setattr(AIOKafkaProducer, "send", lossy)
    async with post.relay():
        await post.emptied()
    arrived = (await post.arrived([key]))[key]
    assert list(dict.fromkeys(arrived)) == [b"0", b"1", b"2", b"3", b"4"]
    assert len(arrived) > 5


async def test_an_id_is_not_taken_twice(post: Post) -> None:
    one = row("k", b"x")
    await post.add(one)
    with pytest.raises(Exception, match="said before"):
        await post.add(one)


async def test_a_relay_without_its_database_says_so(post: Post, stack: WorkerStack) -> None:
    url = f"{post.settings.database_url.get_secret_value().rsplit('/', 1)[0]}/nowhere"
    broken = post.settings.model_copy(
        update={"database_url": type(post.settings.database_url)(url)}
    )
    relay = Relay(broken, "billing")
    await relay.start()
    await eventually(lambda: relay.trouble)
    await relay.stop()


async def test_the_outbox_is_read_through_the_index_of_ids(desk: Desk) -> None:
    """Whatever the planner thinks of a table that was never analysed: see relay._BY_ID."""
    async with desk.pool.acquire() as connection, connection.transaction():
        for name, value in relay._BY_ID.items():
            await connection.execute(f"set local {name} = {value}")
        question = relay._NEXT.replace("$1", "'{0,1,2}'").replace("$2", "10")
        plan = "\n".join(row[0] for row in await connection.fetch(f"explain {question}"))
    assert "Index Scan using outbox_pkey" in plan
    assert "Sort" not in plan
