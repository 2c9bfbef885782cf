"""The broker: what was acknowledged survives a kill; a foreign server is told apart."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import UnknownTopicOrPartitionError

from devstack.errors import DevstackConfigurationError
from devstack.kafka import Kafka
from devstack.ports import Ports

RECORDS = [f"record {number}".encode() for number in range(200)]


@asynccontextmanager
async def broker(state_dir: Path, ports: Ports) -> AsyncIterator[Kafka]:
    kafka = Kafka(state_dir, ports.kafka, ports.controller, session_timeout_min_ms=500)
    try:
        await kafka.start()
        yield kafka
    finally:
        await kafka.kill()


async def create_topic(kafka: Kafka, name: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, 1, 1)])
    finally:
        await admin.close()


async def write(kafka: Kafka, topic: str, values: list[bytes]) -> None:
    async with AIOKafkaProducer(
        bootstrap_servers=kafka.bootstrap_servers, acks="all", enable_idempotence=True
    ) as producer:
        for sent in [await producer.send(topic, value) for value in values]:
            await sent


async def read(kafka: Kafka, topic: str, count: int) -> list[bytes]:
    async with AIOKafkaConsumer(
        bootstrap_servers=kafka.bootstrap_servers, auto_offset_reset="earliest"
    ) as consumer:
        consumer.assign([TopicPartition(topic, 0)])
        return [(await consumer.getone()).value for _ in range(count)]


async def test_acknowledged_records_survive_kill_and_restart(tmp_path: Path) -> None:
    async with broker(tmp_path, Ports.free()) as kafka:
        await create_topic(kafka, "orders")
        await write(kafka, "orders", RECORDS)
        await kafka.kill()
        assert kafka.pid is None
        await kafka.start()
        assert await read(kafka, "orders", len(RECORDS)) == RECORDS


async def test_state_may_move_to_other_ports(tmp_path: Path) -> None:
    async with broker(tmp_path, Ports.free()) as kafka:
        await create_topic(kafka, "orders")
        await write(kafka, "orders", RECORDS)
        await kafka.stop()
    async with broker(tmp_path, Ports.free()) as kafka:
        assert await read(kafka, "orders", len(RECORDS)) == RECORDS


async def test_misspelt_topic_is_refused_and_foreign_kafka_is_named(tmp_path: Path) -> None:
    ports = Ports.free()
    async with broker(tmp_path / "ours", ports) as kafka:
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
        await admin.start()
        try:
            (described,) = await admin.describe_topics(["misspelt"])
            assert described["error_code"] == UnknownTopicOrPartitionError.errno
            assert "misspelt" not in await admin.list_topics()
        finally:
            await admin.close()
        other = Kafka(tmp_path / "other", ports.kafka, ports.controller)
        with pytest.raises(DevstackConfigurationError, match=r"another Kafka .*TENURE_KAFKA_PORT"):
            await other.start()


async def test_foreign_server_on_the_port_is_refused(tmp_path: Path) -> None:
    ports = Ports.free()
    with socket.create_server(("127.0.0.1", ports.controller)):
        kafka = Kafka(tmp_path, ports.kafka, ports.controller)
        with pytest.raises(
            DevstackConfigurationError, match=f"Port {ports.controller} .*TENURE_CONTROLLER_PORT"
        ):
            await kafka.start()
