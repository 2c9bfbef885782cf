"""A service whose surroundings are away, or refuse it, waits, says why, and begins by itself."""

import asyncio
import json
import signal
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest_asyncio
from aiokafka import AIOKafkaProducer

from chassis import kafka
from ops.connection import Stack
from ops.supervisor import free_ports
from tests.chassis import tally
from tests.chassis.office import Office
from tests.chassis.secured_kafka import CERTIFICATES, SecuredKafka
from tests.support.eventually import eventually
from tests.support.worker_stack import WorkerStack

SECRET = "Wr0ng-and-s3cret"


@pytest_asyncio.fixture
async def office(stack: WorkerStack, producer: AIOKafkaProducer) -> AsyncIterator[Office]:
    """The made-up service; nothing of it runs yet."""
    name = f"{stack.name}_{uuid4().hex[:8]}"
    made = Office(stack.with_prefix(f"{name}-", name), producer)
    await made.create()
    yield made
    await made.close()


async def waits_for(office: Office, part: str, *words: str) -> None:
    """Alive, but not ready, and it says why."""

    async def asked() -> bool:
        status, body = await office.get("/readyz")
        assert status == 503, (status, office.said())
        assert all(word in body["troubles"].get(part, "") for word in words), body
        return True

    await eventually(asked, 30)
    assert (await office.get("/healthz"))[0] == 200


def told(office: Office) -> list[dict[str, str]]:
    """The log lines about what is waited for."""
    lines = [json.loads(line) for line in office.said().splitlines()]
    return [line for line in lines if line["event"] == "waiting to start"]


def _with_password(dsn: str, password: str) -> str:
    parts = urlsplit(dsn)
    return parts._replace(
        netloc=f"{parts.username}:{password}@{parts.hostname}:{parts.port}"
    ).geturl()


async def test_a_login_that_the_database_refuses_is_tried_until_it_is_let_in(
    office: Office,
) -> None:
    # A role of its own: the password of tenure_billing is that of every other test as well.
    role = f"{office.stack.name}_rotated"
    async with office.stack.connect("superuser", "postgres") as connection:
        await connection.execute(f"create role \"{role}\" login password 'the old one'")
        await connection.execute(f'grant tenure_billing to "{role}"')
        try:
            dsn = urlsplit(_with_password(office.stack.dsn("billing"), SECRET))
            netloc = dsn.netloc.replace("tenure_billing:", f"{role}:")
            office.spawn(BILLING_DATABASE_URL=dsn._replace(netloc=netloc).geturl())
            await waits_for(office, "database", "refuses the login", role)
            await connection.execute(f"alter role \"{role}\" password '{SECRET}'")
            await office.ready()
        finally:
            office.signal(0, signal.SIGKILL)
            await office.exit_code()
            await connection.execute(f'drop role "{role}"')
    lines = told(office)
    assert [line["level"] for line in lines] == ["error"]
    assert SECRET not in office.said()
    assert "Traceback" not in office.said()


async def test_a_database_that_is_away_at_the_start_is_waited_for_and_reached_over_tls(
    office: Office,
) -> None:
    port = free_ports()["billing"]
    away = urlsplit(office.stack.dsn("billing"))
    netloc = away.netloc.replace(f":{away.port}", f":{port}")
    query = f"sslmode=verify-full&sslrootcert={CERTIFICATES / 'ca.pem'}"
    office.spawn(BILLING_DATABASE_URL=away._replace(netloc=netloc, query=query).geturl())
    await waits_for(office, "database", "does not answer", str(port))
    door = _TlsDoor(away.port or 0)
    async with await asyncio.start_server(door.serve, "127.0.0.1", port):
        await office.ready()
        office.signal(0, signal.SIGTERM)
        assert await office.exit_code() == 0
    assert door.opened > 1
    assert [line["level"] for line in told(office)] == ["warning"]
    assert (away.password or "") not in office.said()


class _TlsDoor:
    """Speaks TLS as PostgreSQL does, and passes what it hears on to a server that cannot."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(CERTIFICATES / "broker.pem")
        self.opened = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, which must ask for TLS."""
        assert await reader.readexactly(8) == struct.pack(">ii", 8, 80877103)
        writer.write(b"S")
        await writer.start_tls(self._context)
        self.opened += 1
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        await asyncio.gather(self._pass(reader, back), self._pass(there, writer))

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                sink.write(data)
        sink.close()


async def test_a_service_that_waits_stops_when_it_is_told_to(office: Office) -> None:
    office.spawn(KAFKA_BOOTSTRAP_SERVERS=f"127.0.0.1:{free_ports()['billing']}")
    await waits_for(office, "kafka", "does not answer")
    office.signal(0, signal.SIGTERM)
    assert await office.exit_code(timeout_s=15) == 0
    assert "Traceback" not in office.said()


async def test_a_broker_that_is_away_and_then_refuses_the_login_is_waited_for(
    office: Office, tmp_path: Path
) -> None:
    broker = SecuredKafka(tmp_path)
    right = broker.variables(SECRET)
    try:
        office.spawn(**right)
        await waits_for(office, "kafka", "does not answer", broker.address)
        await broker.start(password="another")
        await waits_for(office, "kafka", "refuses the login of tenure")
        let_in = {**office.stack.variables, **broker.variables("another")}
        await kafka.apply_topics(Stack(let_in).kafka)
        await broker.start(password=SECRET)
        await office.ready()
        await _works(office, right)
        office.spawn(**right, KAFKA_SESSION_TIMEOUT_MS="1000")
        assert await office.exit_code(1) == 78
        assert "KAFKA_SESSION_TIMEOUT_MS: Kafka does not allow 1000" in _last_line(office.said(1))
    finally:
        await broker.stop()
    levels = [(line["part"], line["level"]) for line in told(office)]
    assert levels[0] == ("kafka", "warning")
    assert ("kafka", "error") in levels
    assert len(levels) <= 8, levels
    for number in (0, 1):
        assert SECRET not in office.said(number)
        assert "Traceback" not in office.said(number)


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1]


async def _works(office: Office, variables: dict[str, str]) -> None:
    """A message goes in, and what is said about it comes out, over TLS."""
    settings = Stack({**office.stack.variables, **variables}).kafka
    message = tally.command(uuid4(), "x")
    async with kafka.producer(settings, "tests") as made:
        topic = office.stack.ops.topic("billing.commands")
        await made.send_and_wait(topic, message.to_json(), key=message.subject.encode())

    async def published() -> bool:
        rows = await office.query("select status from billing.inbox")
        left = await office.query("select from billing.outbox")
        return [row["status"] for row in rows] == ["done"] and not left

    await eventually(published)
