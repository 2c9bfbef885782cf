"""Kafka: how clients are made, and that topics are as the table says. Nobody else makes a client."""

import asyncio
import time
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    TopicAlreadyExistsError,
    UnsupportedSaslMechanismError,
)

from chassis.errors import ConfigurationError
from chassis.settings import KafkaSettings
from contracts.topics import TOPICS, Topic

_KNOWN_S = 60.0
_REACH_S = 10.0


def _connection(settings: KafkaSettings) -> dict[str, Any]:
    return {"bootstrap_servers": settings.kafka_bootstrap_servers, **_security(settings)}


def _security(settings: KafkaSettings) -> dict[str, Any]:
    made: dict[str, Any] = {
        "security_protocol": settings.kafka_security_protocol,
        "ssl_context": settings.tls_context(),
    }
    if settings.kafka_security_protocol.startswith("SASL"):
        made |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_sasl_username,
            "sasl_plain_password": settings.kafka_sasl_password.get_secret_value(),
        }
    return made


def consumer(settings: KafkaSettings, group: str, client_id: str) -> AIOKafkaConsumer:
    """A group member that commits only when told; it starts at the earliest record."""
    return AIOKafkaConsumer(
        **_connection(settings),
        group_id=settings.kafka_group_prefix + group,
        client_id=client_id,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        session_timeout_ms=settings.kafka_session_timeout_ms,
        heartbeat_interval_ms=settings.kafka_session_timeout_ms // 10,
        max_poll_interval_ms=300_000,
        rebalance_timeout_ms=60_000,
        request_timeout_ms=max(40_000, settings.kafka_session_timeout_ms + 10_000),
        fetch_max_bytes=32 * 1024 * 1024,
        max_partition_fetch_bytes=4 * 1024 * 1024,
        retry_backoff_ms=200,
        # A member that joined before its topics were known to the broker would idle until then.
        metadata_max_age_ms=10_000,
    )


def producer(settings: KafkaSettings, client_id: str) -> AIOKafkaProducer:
    """An idempotent producer that waits for all replicas."""
    return AIOKafkaProducer(
        **_connection(settings),
        client_id=client_id,
        acks="all",
        enable_idempotence=True,
        linger_ms=2,
        max_batch_size=256 * 1024,
        max_request_size=2 * 1024 * 1024,
        request_timeout_ms=30_000,
    )


async def discard(made: AIOKafkaProducer, timeout_s: float = 2.0) -> None:
    """Close a producer for good, also one that still has records to send. Raises nothing."""
    with suppress(BaseException):
        await asyncio.wait_for(made.stop(), timeout_s)
    # A stop that was cut short leaves its sender behind, which would go on for ever.
    sender = made._sender and made._sender.sender_task
    if sender is not None and not sender.done():
        sender.cancel()
        with suppress(BaseException):
            await asyncio.wait_for(made.client.close(), timeout_s)


def reader(settings: KafkaSettings) -> AIOKafkaConsumer:
    """A consumer without a group, for tools that look."""
    return AIOKafkaConsumer(
        **_connection(settings), enable_auto_commit=False, auto_offset_reset="earliest"
    )


def admin(settings: KafkaSettings) -> AIOKafkaAdminClient:
    """An admin client; start and close it."""
    return AIOKafkaAdminClient(**_connection(settings))


async def reach(settings: KafkaSettings) -> None:
    """Connect to one of the brokers and log in; raises the error of the last one that did not let us.

    The clients themselves only say that they could not, not why.
    """
    failure: Exception | None = None
    for host, port, _ in collect_hosts(settings.kafka_bootstrap_servers):
        try:
            async with asyncio.timeout(_REACH_S):
                connection = await create_conn(host, port, **_security(settings))
        except (KafkaError, OSError, TimeoutError) as error:
            failure = error
        else:
            connection.close()
            return
    raise failure or KafkaError("no broker is named")


def refuses_login(error: BaseException) -> bool:
    """Whether the broker answered, but does not let us in with these credentials."""
    return isinstance(
        error,
        SaslAuthenticationFailed
        | UnsupportedSaslMechanismError
        | IllegalSaslStateError
        | AuthenticationFailedError,
    )


async def apply_topics(settings: KafkaSettings) -> list[str]:
    """Create the topics of the table that are missing; returns their names."""
    client = admin(settings)
    await client.start()
    try:
        existing = set(await client.list_topics())
        missing = [t for t in TOPICS if settings.kafka_topic_prefix + t.name not in existing]
        made = [
            NewTopic(
                settings.kafka_topic_prefix + topic.name,
                settings.kafka_partitions,
                settings.kafka_replication_factor,
                topic_configs=topic.config(),
            )
            for topic in missing
        ]
        if made:
            response = await client.create_topics(made)
            for name, code, *rest in response.topic_errors:
                if code not in (0, TopicAlreadyExistsError.errno):
                    raise ConfigurationError(
                        f"Topic '{name}' could not be created: {rest or code}."
                    )
            await _until_known(client, {topic.name for topic in made})
        return [topic.name for topic in missing]
    finally:
        await client.close()


async def _until_known(client: AIOKafkaAdminClient, names: set[str]) -> None:
    """Wait until the broker, which hears of them from its controller, knows new topics as well."""
    end = time.monotonic() + _KNOWN_S
    while unknown := names - set(await client.list_topics()):
        if time.monotonic() > end:
            raise ConfigurationError(
                f"Topic '{min(unknown)}' was created, but after {_KNOWN_S:g} s it is not known yet."
            )
        await asyncio.sleep(0.02)


async def verify_topics(settings: KafkaSettings, topics: tuple[Topic, ...]) -> None:
    """Raises ConfigurationError when a topic is missing or not as the table says."""
    client = admin(settings)
    await client.start()
    try:
        existing = set(await client.list_topics())
        names = {settings.kafka_topic_prefix + topic.name for topic in topics}
        if names - existing:
            raise ConfigurationError(
                f"Topic '{min(names - existing)}' does not exist: run 'tenure topics apply'."
            )
        for described in await client.describe_topics(sorted(names)):
            count = len(described["partitions"])
            if count != settings.kafka_partitions:
                raise ConfigurationError(
                    f"Topic '{described['topic']}' has {count} partitions where KAFKA_PARTITIONS"
                    f" says {settings.kafka_partitions}."
                )
        resources = [
            ConfigResource(ConfigResourceType.TOPIC, settings.kafka_topic_prefix + topic.name)
            for topic in topics
        ]
        found: dict[str, dict[str, str]] = {}
        for response in await client.describe_configs(resources):
            for _, _, _, name, entries in response.resources:
                found[name] = {entry[0]: entry[1] for entry in entries}
        for topic in topics:
            name = settings.kafka_topic_prefix + topic.name
            for key, wanted in topic.config().items():
                actual = found[name].get(key)
                if actual != wanted:
                    raise ConfigurationError(
                        f"Topic '{name}' has {key}={actual} where {wanted} is needed."
                    )
    finally:
        await client.close()


__all__ = [
    "ConsumerRebalanceListener",
    "KafkaError",
    "admin",
    "apply_topics",
    "consumer",
    "discard",
    "producer",
    "reach",
    "reader",
    "refuses_login",
    "verify_topics",
]
