"""The topic table: every type on one topic, every topic named, kept and written as the page says."""

import re

import pytest

from contracts.catalogue import ENVELOPES, MESSAGES
from contracts.topics import DEAD_LETTERS, REDRIVE, SERVICES, TOPIC_OF, TOPICS, Topic

topics = pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
DAY_MS = 86_400_000


def test_every_type_is_on_exactly_one_topic() -> None:
    carried = [message.TYPE for topic in TOPICS for message in topic.messages]
    assert sorted(carried) == sorted(MESSAGES) == sorted(TOPIC_OF) == sorted(ENVELOPES)


def test_every_type_is_named_owner_entity_version() -> None:
    for type_, message in MESSAGES.items():
        assert re.fullmatch(r"[a-z]+\.[a-z]+(-[a-z]+)*\.v[1-9][0-9]*", type_)
        assert message.__doc__
        assert message.__doc__.endswith(".")


@topics
def test_the_writer_of_our_types_is_their_owner(topic: Topic) -> None:
    owners = {message.TYPE.split(".")[0] for message in topic.messages}
    if topic.writer in SERVICES and topic.name != "payments.requests":
        assert owners <= {topic.writer}
    else:  # types of the payment contract, and commands to billing, are named after whom they concern
        assert owners <= {topic.name.split(".")[0]}


@topics
def test_a_topic_is_named_in_lower_case_with_dots(topic: Topic) -> None:
    assert re.fullmatch(r"[a-z]+\.[a-z]+", topic.name)


def test_topics_are_named_once_and_have_readers() -> None:
    assert len({topic.name for topic in TOPICS}) == len(TOPICS)
    assert all(topic.readers and topic.writer not in topic.readers for topic in TOPICS)


@topics
def test_the_record_time_is_the_brokers(topic: Topic) -> None:
    assert topic.config()["message.timestamp.type"] == "LogAppendTime"


@topics
def test_compacted_topics_are_those_of_latest_values(topic: Topic) -> None:
    compacted = topic.name in ("licensing.entitlements", "customers.contacts")
    config = topic.config()
    assert config["cleanup.policy"] == ("compact" if compacted else "delete")
    assert ("retention.ms" in config) is not compacted


@topics
def test_what_is_kept_for_30_days_and_what_longer(topic: Topic) -> None:
    if topic.kept_days is None:
        return
    passing = {"payments.events", "payments.requests", "billing.commands"}
    days = 30 if topic.name in passing or topic.name.endswith(".redrive") else 400
    assert topic.config()["retention.ms"] == str(days * DAY_MS)


@topics
def test_dead_letters_and_redrive_may_be_larger_than_what_they_hold(topic: Topic) -> None:
    letters = topic in (*DEAD_LETTERS.values(), *REDRIVE.values())
    size = 2 if letters else 1
    assert topic.config()["max.message.bytes"] == str(size * 1024 * 1024)


def test_every_service_has_dead_letters_and_a_way_back() -> None:
    for service in SERVICES:
        assert (DEAD_LETTERS[service].name, DEAD_LETTERS[service].writer) == (
            f"{service}.dlq",
            service,
        )
        assert (REDRIVE[service].name, REDRIVE[service].readers) == (
            f"{service}.redrive",
            (service,),
        )


def test_our_streams_are_numbered() -> None:
    numbered = {topic.name for topic in TOPICS if topic.sequenced}
    streams = {"billing.events", "licensing.events", "notifications.events"}
    assert numbered == streams | {"payments.requests"}
