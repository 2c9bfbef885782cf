"""Durations, instants, phrases, masking and merged order, without a stack."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiokafka import TopicPartition

import contracts
from contracts.catalogue import decode
from contracts.values import Money
from ops.connection import Stack
from ops.errors import OpsError, WrongSetting, WrongUsage
from ops.instants import later, parse_duration, parse_instant, since
from ops.masking import HIDDEN, masked, masked_json
from ops.merge import TimeMerge
from ops.offsets import GroupOffsets, moved, reads
from ops.phrases import money, phrase
from ops.publish import MESSAGE_BYTES_MAX, checked
from ops.terminal import escaped, safe, suggestion
from tests.ops.orders import EMAIL, NAME, order, paid_order

NOON = datetime(2025, 1, 31, 12, tzinfo=UTC)
EXAMPLES = sorted(Path(contracts.__file__).parent.glob("examples/**/*.json"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10m", timedelta(minutes=10)),
        ("1h30m", timedelta(hours=1, minutes=30)),
        ("35d", timedelta(days=35)),
        ("P7DT12H", timedelta(days=7, hours=12)),
        ("P2W", timedelta(weeks=2)),
    ],
)
def test_durations(text: str, expected: timedelta) -> None:
    assert parse_duration(text) == expected
    assert later(NOON, text) == NOON + expected


@pytest.mark.parametrize("text", ["", "P", "PT", "10", "d", "1x", "-1d", "1d "])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(WrongUsage, match="no duration"):
        parse_duration(text)


def test_months_and_years_are_calendar_steps() -> None:
    assert later(NOON, "1mo") == datetime(2025, 2, 28, 12, tzinfo=UTC)
    assert later(NOON, "P1Y") == datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_instants_are_utc_unless_they_say_otherwise() -> None:
    assert parse_instant("2025-01-31T12:00") == NOON
    assert parse_instant("2025-01-31T13:00+01:00") == NOON
    assert since("2025-01-31T12:00", NOON) == NOON
    assert since("2h", NOON) == NOON - timedelta(hours=2)


def test_money_has_the_decimals_of_its_currency() -> None:
    assert money(Money(minor=4999, currency="EUR")) == "49.99 EUR"
    assert money(Money(minor=500, currency="JPY")) == "500 JPY"
    assert money(Money(minor=1_234_567, currency="KWD")) == "1,234.567 KWD"


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_every_message_has_a_phrase_on_one_line(file: Path) -> None:
    message = decode(file.read_bytes())
    words = phrase(masked(message.data))
    assert "\n" not in words
    assert len(words) < 300


def test_name_and_address_are_hidden_everywhere() -> None:
    message = decode(order("R-1", NOON).encode())
    shown = masked(message.data).model_dump_json() + str(masked_json(message.model_dump()))
    assert NAME not in shown
    assert EMAIL not in shown
    assert masked_json({"a": [{"name": "Ann", "plan": "x"}]}) == {
        "a": [{"name": HIDDEN, "plan": "x"}]
    }


def test_nothing_reaches_the_terminal_as_a_command() -> None:
    assert escaped(b"a\x1b[31m\xff\nb") == "a\\x1b[31m\\xff\nb"
    assert "\x1b" not in safe("\x1b]0;x\x07").plain
    assert safe("[red]x[/red]").plain == "[red]x[/red]"


def test_suggestions_come_only_when_they_are_near() -> None:
    assert suggestion("R-1002", ["R-1001", "X"]) == " Did you mean R-1001?"
    assert suggestion("zzz", ["R-1001"]) == ""


@dataclass(frozen=True)
class At:
    timestamp: int
    source: str


def test_partitions_merge_by_time_as_soon_as_it_is_safe() -> None:
    merge: TimeMerge[At] = TimeMerge(["a", "b"])
    merge.add("a", [At(1, "a"), At(5, "a")])
    assert list(merge.ready()) == []
    merge.add("b", [At(2, "b"), At(3, "b")])
    assert [each.timestamp for each in merge.ready()] == [1, 2, 3]
    merge.finish("b")
    assert [each.timestamp for each in merge.ready()] == [5]
    merge.add("a", [At(5, "first"), At(5, "second")])
    merge.finish("a")
    assert [each.source for each in merge.ready()] == ["first", "second"]


def test_lag_counts_what_was_never_committed() -> None:
    stack = Stack({"KAFKA_BOOTSTRAP_SERVERS": "k:1", "KAFKA_TOPIC_PREFIX": "t."})
    groups = reads(stack)
    assert "t.payments.events" in groups["tenure.billing"]
    assert "t.billing.redrive" in groups["tenure.billing"]
    first, second = TopicPartition("x", 0), TopicPartition("x", 1)
    offsets = GroupOffsets.__new__(GroupOffsets)
    offsets.groups, offsets._partitions = {"g": ("x",)}, (first, second)
    assert offsets.lag({"g": {first: 4}}, {first: 5, second: 2}) == {("g", "x"): 3}
    assert offsets.lag({"g": {first: 5}}, {first: 5, second: 0}) == {}
    assert moved({first: 1}, {first: 2, second: 1}) == ["x"]


def test_a_file_holds_one_document_or_one_per_line() -> None:
    assert [message.type for message, _ in checked(paid_order("R-1", NOON).encode())] == [
        "payments.order-placed.v1",
        "payments.payment-succeeded.v1",
    ]
    spread = order("R-1", NOON).replace(", ", ",\n ")
    assert len(checked(spread.encode())) == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "no message"),
        ("{", "not_json: "),
        ("[]", "not_an_envelope: "),
        ('{"type": "payments.nothing.v1"}', "unknown_type: The type 'payments.nothing.v1'"),
        (order("R-1", NOON).replace("4999", "-1"), "Field 'data.amount.minor'"),
        (order("R-1", NOON).replace("EUR", "EXX"), "Field 'data.amount.currency'"),
        (order("R-1", NOON).replace("+00:00", ""), "Field 'time'"),
        (order("R-1", NOON) + "\n" + "{", "Line 2: not_json"),
        (order("R-1", NOON) + " " * MESSAGE_BYTES_MAX * 2, None),
        (order("R" * 70_000, NOON), "too_large: "),
        (order("R" * 1_100_000, NOON), "Kafka itself refuses"),
    ],
)
def test_bad_messages_are_refused_with_code_and_field(content: str, words: str | None) -> None:
    if words is None:
        assert checked(content.encode())
        return
    with pytest.raises(OpsError) as refused:
        checked(content.encode())
    assert words in str(refused.value)


def test_events_of_ours_cannot_be_published_by_hand() -> None:
    file = next(file for file in EXAMPLES if "billing.payment-succeeded" in str(file))
    with pytest.raises(OpsError, match="not_yours"):
        checked(file.read_bytes())


def test_a_wrong_setting_names_the_variable() -> None:
    stack = Stack({"KAFKA_BOOTSTRAP_SERVERS": "k:1", "KAFKA_PARTITIONS": "many"})
    with pytest.raises(WrongSetting, match="KAFKA_PARTITIONS"):
        _ = stack.kafka
    with pytest.raises(WrongSetting, match="BILLING_HTTP_PORT"):
        Stack({"BILLING_HTTP_PORT": "x"}).http("billing")


def test_the_address_of_a_service_may_be_given_whole() -> None:
    given = Stack({"BILLING_HTTP_URL": "http://billing:8081/", "BILLING_HTTP_PORT": "9"})
    assert given.http("billing") == "http://billing:8081"
