"""What holds over all cases: published schemas, personal data, and the books of all services agree."""

import json
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import jsonschema_rs
import pytest

from contracts import payments
from contracts.base import Data
from contracts.topics import CUSTOMERS_CONTACTS, DEAD_LETTERS, PAYMENTS_EVENTS, SERVICES, TOPICS
from ops.audit.gather import by_notice
from ops.audit.run import audit
from policies import load_policies
from tests.scenarios.case import CASES, DAY, END, START, Case
from tests.scenarios.year import SCENARIO, Year
from tests.support import upstream
from tests.support.worker_stack import WorkerStack

pytestmark = SCENARIO

SCHEMAS = Path(__file__).parents[2] / "contracts" / "schemas"
#: What every trace of a customer contains.
CANARY = b"kanarienvogel"

REFUNDED = Case("whole-refunded").subscribed().ask_refund(START + DAY).approve(START + 2 * DAY)
CHARGED = Case("whole-charged").subscribed().cancel(END - DAY)


def _spoilt(reference: str, /, **customer: object) -> bytes:
    order = upstream.order(reference, f"{reference}-1")
    order["customer"] |= customer
    at = datetime(2025, 1, 1, tzinfo=UTC)
    return upstream.raw(upstream.message(reference, "order-placed", at, order))


#: Orders with a customer whose details cannot be read.
SPOILT = [
    _spoilt("bad-name", name=["Wilhelmina Kanarienvogel"]),
    _spoilt("bad-email", email="wilhelmina at kanarienvogel.example"),
    _spoilt("bad-locale", locale="Kanarienvogel!"),
    _spoilt("bad-ref", customer_ref="Wilhelmina Kanarienvogel"),
    _spoilt("bad-zone", time_zone="Europe/Kanarienvogel"),
    _spoilt("cut")[:-40],
]
LEAKY = Case("leaky")
for _value in SPOILT:
    LEAKY.raw(START, _value)


@cache
def _schema(type: str) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(json.loads((SCHEMAS / f"{type}.json").read_text()))


def _canary(*parts: bytes | None) -> bool:
    return any(CANARY in part.lower() for part in parts if part)


@pytest.mark.parametrize(
    "kind",
    [payments.ChargeRequested, payments.ChargeWithdrawn, payments.RefundRequested],
    ids=lambda kind: kind.TYPE,
)
def test_what_we_ask_of_upstream_has_its_reference_and_the_published_form(
    year: Year, kind: type[Data]
) -> None:
    values = [
        json.loads(record.value)
        for record in year.recording.records
        if year.stack.plain_topic(record.topic) == "payments.requests"
    ]
    asked = [value for value in values if value["type"] == kind.TYPE]
    references = {case.reference for case in CASES}
    assert asked
    for value in asked:
        _schema(kind.TYPE).validate(value)
        assert value["subject"] in references


def test_everything_that_we_publish_has_the_published_form(year: Year) -> None:
    ours = {topic.name: topic for topic in TOPICS if topic.messages and topic.writer in SERVICES}
    seen = set()
    for record in year.recording.records:
        topic = ours.get(year.stack.plain_topic(record.topic))
        if topic is None:
            continue
        value = json.loads(record.value)
        _schema(value["type"]).validate(value)
        assert value["type"] in {message.TYPE for message in topic.messages}
        assert record.key == value["subject"].encode()
        assert dict(record.headers)["ce_type"] == value["type"].encode()
        seen.add(topic.name)
    assert seen == set(ours)


def test_sequences_have_no_gap(year: Year) -> None:
    counted: dict[tuple[str, bytes], list[int]] = {}
    for record in year.recording.records:
        name = year.stack.plain_topic(record.topic)
        if any(topic.name == name and topic.sequenced for topic in TOPICS):
            sequence = json.loads(record.value)["sequence"]
            counted.setdefault((name, record.key), []).append(sequence)
    assert counted
    for sequences in counted.values():
        # What is published again comes again in the same order.
        assert list(dict.fromkeys(sequences)) == list(range(1, max(sequences) + 1))


def test_personal_data_stands_on_no_topic_but_theirs_and_the_contacts(year: Year) -> None:
    found = {
        year.stack.plain_topic(record.topic)
        for record in year.recording.records
        if _canary(record.key, record.value)
    }
    # A dead letter is the raw message; billing alone reads payments.events.
    letters = DEAD_LETTERS["billing"].name
    assert found == {PAYMENTS_EVENTS.name, CUSTOMERS_CONTACTS.name, letters}


def test_no_header_holds_personal_data(year: Year) -> None:
    for record in year.recording.records:
        assert not _canary(*(value for _, value in record.headers)), record.topic


def test_a_dead_letter_is_the_raw_message_and_its_reason_names_no_person(year: Year) -> None:
    letters = [
        letter for letter in year.recording.dead_letters if letter.key == LEAKY.reference.encode()
    ]
    assert sorted(letter.value for letter in letters) == sorted(SPOILT)
    for letter in letters:
        assert letter.error.endswith(".")
        assert not _canary(letter.error.encode(), letter.code.encode())


@pytest.mark.parametrize("service", SERVICES)
def test_no_log_holds_personal_data(year: Year, service: str) -> None:
    log = year.log(service)
    assert log
    assert not _canary(log.encode())


async def test_personal_data_is_stored_with_the_contacts_alone(
    year: Year, town: WorkerStack
) -> None:
    found = set()
    async with town.connect() as connection:
        tables = await connection.fetch(
            "select schemaname, tablename from pg_tables where schemaname = any($1)",
            [*SERVICES, "ops"],
        )
        for schema, table in tables:
            # Bytes are shown in hexadecimal, so they are searched as such too.
            if await connection.fetchval(
                f"select exists (select from {schema}.{table} t"
                " where t::text ~* $1 or t::text like '%' || $2 || '%')",
                CANARY.decode(),
                CANARY.hex(),
            ):
                found.add(f"{schema}.{table}")
    assert found == {"notifications.contact"}


async def test_money_periods_access_and_mail_agree_everywhere(
    year: Year, town: WorkerStack
) -> None:
    ids, copies = {case.id for case in CASES}, by_notice(year.copies().elements())
    report = await audit(town.ops, load_policies(), only=ids, copies=copies)
    assert report.subscriptions > len(CASES) / 2
    assert report.moving == 0
    assert report.findings.violations == []
