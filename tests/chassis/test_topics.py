"""Topics: created as the table says, and a mismatch is found at the start."""

from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import uuid4

import pytest
import pytest_asyncio

from chassis import kafka
from chassis.errors import ConfigurationError
from chassis.settings import KafkaSettings
from contracts.topics import BILLING_COMMANDS, BILLING_EVENTS, TOPICS
from tests.support.worker_stack import WorkerStack


@pytest_asyncio.fixture
async def settings(
    stack: WorkerStack, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[KafkaSettings]:
    """Two topics of the table, under a prefix of this test."""
    monkeypatch.setattr(kafka, "TOPICS", (BILLING_EVENTS, BILLING_COMMANDS))
    prefix = f"{stack.prefix}{uuid4().hex[:8]}-"
    given = stack.ops.kafka.model_copy(update={"kafka_topic_prefix": prefix, "kafka_partitions": 1})
    yield given
    client = kafka.admin(given)
    await client.start()
    await client.delete_topics([n for n in await client.list_topics() if n.startswith(prefix)])
    await client.close()


async def test_applying_twice_creates_once(settings: KafkaSettings) -> None:
    assert await kafka.apply_topics(settings) == [BILLING_EVENTS.name, BILLING_COMMANDS.name]
    assert await kafka.apply_topics(settings) == []
    await kafka.verify_topics(settings, (BILLING_EVENTS, BILLING_COMMANDS))


async def test_a_missing_topic_and_a_wrong_setting_are_named(settings: KafkaSettings) -> None:
    with pytest.raises(ConfigurationError, match=r"billing\.events' does not exist.*topics apply"):
        await kafka.verify_topics(settings, (BILLING_EVENTS,))
    await kafka.apply_topics(settings)
    longer = replace(BILLING_EVENTS, kept_days=401)
    with pytest.raises(ConfigurationError, match=r"billing\.events' has retention\.ms=34560000000"):
        await kafka.verify_topics(settings, (longer,))


async def test_the_topics_of_the_stack_are_as_the_table_says(stack: WorkerStack) -> None:
    await kafka.verify_topics(stack.ops.kafka, TOPICS)
