"""A whole service on the real stack: from topic to topic, and how it ends."""

import asyncio
import json
import signal
from collections import defaultdict
from collections.abc import AsyncIterator
from urllib.request import ProxyHandler, build_opener
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer

from tests.chassis import tally
from tests.chassis.office import COMMANDS, EVENTS, LETTERS, Office
from tests.support.eventually import eventually
from tests.support.worker_stack import WorkerStack


@pytest_asyncio.fixture
async def office(stack: WorkerStack, producer: AIOKafkaProducer) -> AsyncIterator[Office]:
    """The made-up service; nothing of it runs yet."""
    name = f"{stack.name}_{uuid4().hex[:8]}"
    made = Office(stack.with_prefix(f"{name}-", name), producer)
    await made.create()
    yield made
    await made.close()


async def test_from_topic_to_topic_in_order(office: Office) -> None:
    ids = [uuid4() for _ in range(20)]
    await office.send(*(tally.command(id, f"n{n}") for n in range(25) for id in ids))
    office.spawn()
    records = await office.read(EVENTS, 500)
    numbers: defaultdict[bytes, list[int]] = defaultdict(list)
    for record in records:
        message = json.loads(record.value)
        assert record.key == message["subject"].encode()
        assert dict(record.headers)["ce_type"] == message["type"].encode()
        assert dict(record.headers)["content-type"] == b"application/cloudevents+json"
        assert record.timestamp_type == 1  # the broker's
        numbers[record.key].append(message["sequence"])
    assert list(numbers.values()) == [list(range(1, 26))] * 20
    await office.caught_up()
    assert await office.query("select from billing.outbox") == []


async def test_two_processes_share_the_work_and_one_dies(office: Office) -> None:
    ids = [uuid4() for _ in range(30)]
    for _ in range(2):
        office.spawn()
    await office.ready(0)
    await office.ready(1)
    await office.send(*(tally.command(id, "before") for id in ids))
    office.signal(0, signal.SIGKILL)
    await office.send(*(tally.command(id, "after") for id in ids))
    await office.read(EVENTS, 60, timeout_s=40)
    await office.caught_up(timeout_s=40)
    rows = await office.query("select body::json ->> 'notes' as notes from billing.tally")
    assert [row["notes"] for row in rows] == ['["before", "after"]'] * 30


async def test_a_stop_finishes_the_work_at_hand(office: Office) -> None:
    office.spawn()
    await office.ready()
    await office.send(*(tally.command(uuid4(), "x") for _ in range(300)))
    office.signal(0, signal.SIGTERM)
    assert await office.exit_code() == 0
    done = (await office.query("select count(*) as count from billing.inbox"))[0]["count"]
    office.spawn()
    await office.read(EVENTS, 300)
    await office.caught_up()
    assert done <= 300
    assert await office.query("select from billing.outbox") == []


async def test_a_database_that_is_away_makes_no_dead_letter(office: Office) -> None:
    office.spawn()
    await office.ready()
    async with office.stack.connect("superuser", "postgres") as connection:
        await _allow(connection, office.stack.name, False)
        await office.send(tally.command(uuid4(), "x"))

        async def unready() -> bool:
            status, body = await office.get("/readyz")
            return status == 503 and "database" in body["troubles"]

        await eventually(unready, 15)
        assert (await office.get("/healthz"))[0] == 200
        await _allow(connection, office.stack.name, True)
    await office.read(EVENTS, 1)
    await office.ready()
    await office.caught_up()
    assert await office.query("select from billing.inbox where status <> 'done'") == []


async def _allow(
    connection: "asyncpg.Connection[asyncpg.Record]", database: str, allowed: bool
) -> None:
    limit = -1 if allowed else 0
    await connection.execute(f'alter database "{database}" connection limit {limit}')
    if not allowed:
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", database
        )


async def test_too_many_dead_letters_stop_consuming_but_not_the_process(office: Office) -> None:
    office.spawn(DLQ_CONSECUTIVE_MAX="5")
    await office.ready()
    for _ in range(20):
        await office.send_raw(COMMANDS, b"x", b"{")

    async def halted() -> bool:
        status, body = await office.get("/readyz")
        return status == 503 and "dead letters" in body["troubles"]["consumer"]

    await eventually(halted)
    assert (await office.get("/healthz"))[0] == 200
    letters = (await office.query("select count(*) as count from billing.inbox"))[0]["count"]
    assert letters <= 5
    assert '"level": "critical"' in office.said()


async def test_a_dead_letter_is_published_whole(office: Office) -> None:
    office.spawn()
    await office.send_raw(COMMANDS, b"some key", b'{"broken')
    (letter,) = await office.read(LETTERS, 1)
    headers = {name: value.decode() for name, value in letter.headers}
    assert (letter.key, letter.value) == (b"some key", b'{"broken')
    assert headers["dlq-topic"] == COMMANDS
    assert headers["dlq-code"] == "not_json"
    assert "broken" not in office.said()


async def test_a_mistake_ends_the_process_and_acknowledges_nothing(office: Office) -> None:
    await office.send(tally.command(uuid4(), tally.MISTAKE))
    office.spawn()
    assert await office.exit_code() == 70
    assert "ZeroDivisionError" in office.said()
    assert await office.query("select from billing.inbox") == []


async def test_a_newer_major_of_our_own_ends_the_process(office: Office) -> None:
    message = tally.outcome(uuid4(), "x", 1)
    newer = message.to_json().replace(b"mail-requested.v1", b"mail-requested.v2")
    await office.send_raw("notifications.events", message.subject.encode(), newer)
    office.spawn()
    assert await office.exit_code() == 78
    assert "newer" in office.said()
    assert "Traceback" not in office.said()


async def test_metrics_tell_what_was_done(office: Office) -> None:
    office.spawn()
    await office.send(tally.command(uuid4(), "x"))
    await office.read(EVENTS, 1)
    await office.caught_up()
    port = office._ports[0]
    text = await _text(port)
    assert (
        'tenure_messages_consumed_total{outcome="done",topic="billing.commands",'
        'type="billing.cancel.v1"} 1.0' in text
    )
    assert 'tenure_messages_published_total{topic="billing.events"} 1.0' in text


async def _text(port: int) -> str:
    def fetch() -> str:
        opened = build_opener(ProxyHandler({})).open(f"http://127.0.0.1:{port}/metrics", timeout=5)
        with opened as answer:
            return str(answer.read().decode())

    return await asyncio.to_thread(fetch)


WRONG = {
    "unknown clock": ({"CLOCK": "lunar"}, "CLOCK"),
    "other partitions": ({"KAFKA_PARTITIONS": "4"}, "partitions"),
    "other topics": ({"KAFKA_TOPIC_PREFIX": "nowhere-"}, "tenure topics apply"),
    "unknown crash point": (
        {"TENURE_CRASH_POINT": "consumer.sometimes:1", "TENURE_CRASH_ALLOWED": "1"},
        "TENURE_CRASH_POINT",
    ),
}


@pytest.mark.parametrize("name", WRONG)
async def test_a_wrong_setting_is_named_and_ends_with_78(office: Office, name: str) -> None:
    variables, named = WRONG[name]
    office.spawn(**variables)
    assert await office.exit_code() == 78, office.said()
    last = [line for line in office.said().splitlines() if line.strip()][-1]
    assert named in last
    assert "Traceback" not in office.said()


async def test_a_database_without_our_tables_ends_with_78(office: Office) -> None:
    await office.stack.drop_database(office.stack.name)
    await office.stack.create_database(office.stack.name, template="template1")
    office.spawn()
    assert await office.exit_code() == 78
    assert "tenure db migrate" in office.said()
    assert "Traceback" not in office.said()


async def test_a_newer_database_ends_with_78(office: Office) -> None:
    await office.query("insert into billing.migration values ('billing/999_next.sql', '')")
    office.spawn()
    assert await office.exit_code() == 78
    last = office.said().strip().splitlines()[-1]
    assert last.startswith("Configuration error: Schema 'billing' is newer than this version")
    assert "billing/999_next.sql" in last
    assert "this version knows them up to" in last
    assert "Traceback" not in office.said()


async def test_a_taken_port_ends_with_78(office: Office) -> None:
    office.spawn()
    await office.ready()
    office.spawn(BILLING_HTTP_PORT=str(office._ports[0]))
    assert await office.exit_code(1) == 78
    assert str(office._ports[0]) in office.said(1)
