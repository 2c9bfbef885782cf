"""Settings, clients and topics: a wrong setup is told in one sentence."""

import pytest

from chassis import kafka
from chassis.errors import ConfigurationError
from chassis.settings import KafkaSettings, load_settings
from contracts.topics import BILLING_EVENTS, TOPICS
from tests.chassis.tally_service import TallySettings
from tests.support.worker_stack import WorkerStack

GOOD = {
    "KAFKA_BOOTSTRAP_SERVERS": "localhost:9092",
    "BILLING_DATABASE_URL": "postgresql://billing:secret@localhost/tenure",
}


def loaded(monkeypatch: pytest.MonkeyPatch, **variables: str) -> TallySettings:
    """The settings of an environment with these variables."""
    for name, value in {**GOOD, **variables}.items():
        monkeypatch.setenv(name, value)
    return load_settings(TallySettings)


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("CLOCK", "lunar", "'real' or 'virtual'"),
        ("LOG_LEVEL", "loud", "'DEBUG'"),
        ("KAFKA_SASL_MECHANISM", "GSSAPI", "'SCRAM-SHA-512'"),
        ("KAFKA_PARTITIONS", "0", "greater than or equal to 1"),
        ("CONSUMER_BATCH_MAX", "2001", "less than or equal to 2000"),
        ("BILLING_HTTP_PORT", "http", "integer"),
        ("BILLING_HTTP_PORT", "65536", "less than or equal to 65535"),
    ],
)
def test_a_wrong_setting_names_itself_and_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, allowed: str
) -> None:
    with pytest.raises(ConfigurationError, match=variable) as error:
        loaded(monkeypatch, **{variable: value})
    assert allowed in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "BILLING_DATABASE_URL", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigurationError, match="KAFKA_BOOTSTRAP_SERVERS"):
        load_settings(KafkaSettings)


def test_its_own_database_comes_first_and_secrets_are_not_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = loaded(monkeypatch, DATABASE_URL="postgresql://elsewhere/tenure")
    assert settings.database_url.get_secret_value() == GOOD["BILLING_DATABASE_URL"]
    assert "secret" not in repr(settings)


def test_the_virtual_clock_is_refused_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="CLOCK"):
        loaded(monkeypatch, CLOCK="virtual", TENURE_ENV="production")


async def test_a_consumer_commits_only_when_told_and_begins_at_the_first_record(
    stack: WorkerStack,
) -> None:
    consumer = kafka.consumer(stack.ops.kafka, "group", "client")
    assert consumer._enable_auto_commit is False
    assert consumer._auto_offset_reset == "earliest"
    assert consumer._group_id == f"{stack.prefix}group"
    await consumer.start()
    await consumer.stop()


async def test_a_producer_waits_for_all_replicas_and_repeats_nothing(stack: WorkerStack) -> None:
    producer = kafka.producer(stack.ops.kafka, "client")
    assert producer._sender._acks == -1
    assert producer._txn_manager is not None
    await producer.start()
    await producer.stop()


async def test_topics_are_made_once_and_are_as_the_table_says(stack: WorkerStack) -> None:
    settings = stack.ops.kafka
    assert await kafka.apply_topics(settings) == []
    await kafka.verify_topics(settings, TOPICS)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"kafka_partitions": 5}, r"billing\.events.*3.*5"),
        ({"kafka_topic_prefix": "nowhere-"}, "nowhere-billing.events.*tenure topics apply"),
    ],
)
async def test_a_topic_that_differs_is_named(
    stack: WorkerStack, changes: dict[str, object], named: str
) -> None:
    settings = stack.ops.kafka.model_copy(update=changes)
    with pytest.raises(ConfigurationError, match=named):
        await kafka.verify_topics(settings, (BILLING_EVENTS,))
