"""The examples are true: one per message type, readable for ever, consistent with the story they tell."""

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest

from contracts.catalogue import MESSAGES, decode
from contracts.envelope import OWN_SOURCE
from contracts.topics import TOPIC_OF, key_name
from contracts.values import customer_id, period_id, subscription_id
from tests.contracts.published import EXAMPLE_FILES, example, validator

SUBSCRIPTION = subscription_id("online-store", "R-1001")
CUSTOMER = customer_id("online-store", "C-2001")
SUBJECTS = {
    "reference": {"R-1001", "R-1003"},
    "customer_id": {str(CUSTOMER)},
    "dead_letter": {"billing:payments.events/3/1187"},
    "subscription_id": {
        str(subscription_id("online-store", reference))
        for reference in ("R-1001", "R-1002", "R-1003")
    },
}
types = pytest.mark.parametrize("type_", sorted(MESSAGES))


def test_every_message_type_has_one_example_and_every_example_a_type() -> None:
    assert set(EXAMPLE_FILES) == set(MESSAGES)
    assert all(file.suffix == ".json" for file in EXAMPLE_FILES.values())


@types
def test_an_example_is_read_and_written_again_the_same(type_: str) -> None:
    raw = EXAMPLE_FILES[type_].read_bytes()
    message = decode(raw)
    assert message.type == type_
    assert type(message.data) is MESSAGES[type_]
    assert json.loads(message.to_json()) == json.loads(raw)
    assert decode(message.to_json()) == message


@types
def test_an_example_satisfies_its_schema(type_: str) -> None:
    assert list(map(str, validator(type_).iter_errors(example(type_)))) == []


@types
def test_an_example_is_pretty_printed(type_: str) -> None:
    text = json.dumps(example(type_), indent=2, ensure_ascii=False) + "\n"
    assert EXAMPLE_FILES[type_].read_text(encoding="utf-8") == text


@types
def test_an_example_names_key_schema_and_time_as_the_topic_table_says(type_: str) -> None:
    message = decode(EXAMPLE_FILES[type_].read_bytes())
    assert message.subject in SUBJECTS[key_name(type_)]
    assert message.dataschema == f"urn:tenure:{type_}"
    assert message.providerid == "online-store"
    assert datetime(2025, 1, 1, tzinfo=UTC) <= message.time < datetime(2026, 1, 1, tzinfo=UTC)


@types
def test_our_own_examples_carry_what_the_outbox_adds(type_: str) -> None:
    message, topic = decode(EXAMPLE_FILES[type_].read_bytes()), TOPIC_OF[type_]
    if topic.writer not in ("billing", "licensing", "notifications"):
        assert message.sequence is None
        return
    assert message.source == f"{OWN_SOURCE}{topic.writer}"
    assert message.policyversion == "2020-01-01"
    assert message.correlationid
    assert message.causationid
    assert message.sequence
    assert message.recordedat
    assert message.recordedat > message.time
    assert UUID(message.id).version == 5


def test_identities_are_derived_as_the_contract_says() -> None:
    created = example("billing.subscription-created.v1")
    assert (created["subject"], created["data"]["customer_id"]) == (
        str(SUBSCRIPTION),
        str(CUSTOMER),
    )
    scheduled = example("billing.period-scheduled.v1")["data"]
    assert scheduled["period_id"] == str(period_id(SUBSCRIPTION, scheduled["order_id"]))
    paid = decode(EXAMPLE_FILES["payments.payment-succeeded.v1"].read_bytes())
    assert scheduled["fact_id"] == str(paid.cause_id)


def test_ids_and_sequences_are_given_once() -> None:
    messages = [decode(file.read_bytes()) for file in EXAMPLE_FILES.values()]
    assert len({message.id for message in messages}) == len(messages)
    numbered = [(TOPIC_OF[m.type].name, m.subject, m.sequence) for m in messages if m.sequence]
    assert len(set(numbered)) == len(numbered)


def test_personal_data_stands_only_where_it_may() -> None:
    for type_, file in EXAMPLE_FILES.items():
        if type_ not in ("payments.order-placed.v1", "billing.customer-contact.v1"):
            assert "Ann" not in file.read_text(encoding="utf-8")
            assert "@" not in file.read_text(encoding="utf-8")
