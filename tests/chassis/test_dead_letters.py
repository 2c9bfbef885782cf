"""What can never be processed becomes a dead letter, and nothing else does."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiokafka import ConsumerRecord

from chassis.dead_letters import Limits
from chassis.errors import ConfigurationError, DeadLetterLimit
from chassis.records import Record, from_kafka
from contracts.topics import BILLING_COMMANDS, NOTIFICATIONS_EVENTS, PAYMENTS_EVENTS
from tests.chassis import tally
from tests.chassis.conftest import Desk, make_processor

KEY = b"5f0c9c9e-0000-4000-8000-000000000001"


def raw(**changes: Any) -> dict[str, Any]:
    """A good command as plain data, with changes."""
    good: dict[str, Any] = json.loads(tally.command(KEY.decode(), "one").to_json())
    return {**good, **changes}


def text(**changes: Any) -> bytes:
    return json.dumps(raw(**changes)).encode()


REFUSED: dict[str, tuple[bytes | None, bytes | None, str]] = {
    "empty": (KEY, b"", "not_json"),
    "half": (KEY, b"{", "not_json"),
    "trailing": (KEY, text() + b"x", "not_json"),
    "byte order mark": (KEY, b"\xef\xbb\xbf" + text(), "not_json"),
    "utf-16": (KEY, json.dumps(raw()).encode("utf-16"), "not_json"),
    "not utf-8": (KEY, b"\xff\xff", "not_json"),
    "a list": (KEY, b"[]", "not_an_envelope"),
    "no type": (KEY, b"{}", "not_an_envelope"),
    "nested deeply": (KEY, b'{"type":' + b"[" * 5000, "not_json"),
    "nested in an unknown field": (
        KEY,
        text()[:-1] + b', "x": ' + b"[" * 150 + b"]" * 150 + b"}",
        "",
    ),
    "a field twice": (KEY, text()[:-1] + b', "subject": "x"}', "not_json"),
    "a data field twice": (
        KEY,
        text().replace(b'"channel"', b'"x": 1, "x": 2, "channel"'),
        "not_json",
    ),
    "a number of 6000 digits": (KEY, text()[:-1] + b', "x": ' + b"9" * 6000 + b"}", "not_json"),
    "not a number": (KEY, text()[:-1] + b', "x": NaN}', "not_json"),
    "lone surrogate": (KEY, text()[:-1] + b', "x": "\\ud800"}', "not_json"),
    "NUL": (KEY, text()[:-1] + b', "x": "\\u0000"}', "invalid_field"),
    "NUL in a field": (KEY, text(data={"channel": "support", "reason": "a\0"}), "invalid_field"),
    "written backslash": (KEY, text()[:-1] + b', "x": "\\\\u0000"}', ""),
    "unknown type": (KEY, text(type="billing.dance.v1"), "unknown_type"),
    "newer major": (KEY, text(type="billing.cancel.v2"), "unknown_type"),
    "wrong topic": (KEY, tally.outcome(KEY.decode(), "x", 1).to_json(), "wrong_topic"),
    "other key": (b"x", text(), "key_mismatch"),
    "no key": (None, text(), "no_key"),
    "no value": (KEY, None, "no_value"),
    "too large": (KEY, text(x="x" * 65536), "too_large"),
    "far future": (
        KEY,
        text(time=(datetime.now(UTC) + timedelta(days=1, minutes=1)).isoformat()),
        "time_in_future",
    ),
    "no such key": (b"nobody", text(subject="nobody"), "invalid_field"),
    "own source without own id": (KEY, text(id="not-ours"), "invalid_field"),
    "NUL in the key": (b"a\0b", b"{", "not_json"),
    "key that is no text": (b"\xff\xfe", b"{", "not_json"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_each_fault_has_its_code(desk: Desk, name: str) -> None:
    key, value, code = REFUSED[name]
    record = desk.topics.record(BILLING_COMMANDS.name, key, value)
    good = desk.topics.of(tally.command(desk.id, "good"))
    for _ in range(2):
        await desk.processor.consume([record, good])
    assert [letter["dlq-code"] for letter in await desk.dead_letters()] == ([code] if code else [])
    assert await desk.notes() == ["good"]


async def test_a_dead_letter_carries_its_origin_and_its_bytes(desk: Desk) -> None:
    value = b'{"type": "\x07"'
    headers = (("traceparent", b"00-1-2-3"), ("odd", b"\xff\x00"), ("none", None))
    record = desk.topics.record(BILLING_COMMANDS.name, KEY, value, headers=headers)
    await desk.processor.consume([record])
    (letter,) = await desk.dead_letters()
    assert letter["dlq-topic"] == "billing.commands"
    assert (letter["dlq-partition"], letter["dlq-offset"]) == ("0", "0")
    assert letter["dlq-timestamp"] == "1"
    assert letter["dlq-consumer"] == "billing"
    assert letter["dlq-error"].endswith(".")
    assert letter["dlq-attempts"] == "1"
    assert letter["origin-traceparent"] == "00-1-2-3"
    row = await desk.pool.fetchrow("select key, value from outbox")
    assert (row["key"].encode(), row["value"]) == (KEY, value)


@pytest.mark.parametrize(
    ("note", "code"),
    [(tally.IMPOSSIBLE, "made_up"), (tally.UNSTORABLE, "database_refused")],
)
async def test_only_the_poisonous_one_of_a_batch_is_parked(
    desk: Desk, note: str, code: str
) -> None:
    ids = [uuid4() for _ in range(5)]
    notes = ["a", "b", note, "d", "e"]
    batch = [desk.topics.of(tally.command(id, n)) for id, n in zip(ids, notes, strict=True)]
    for _ in range(2):
        await desk.processor.consume(batch)
    assert [letter["dlq-code"] for letter in await desk.dead_letters()] == [code]
    assert [await desk.notes(id) for id in ids] == [["a"], ["b"], [], ["d"], ["e"]]
    assert sorted(await desk.statuses()) == ["done"] * 4 + ["parked"]


async def test_a_dead_command_parks_no_key(desk: Desk) -> None:
    batch = [desk.topics.of(tally.command(desk.id, n)) for n in ("a", tally.IMPOSSIBLE, "c")]
    await desk.processor.consume(batch)
    assert await desk.notes() == ["a", "c"]
    assert not await desk.waiting()


async def test_a_corrected_message_takes_the_place_of_its_dead_letter(desk: Desk) -> None:
    dead = tally.command(desk.id, tally.IMPOSSIBLE)
    await desk.processor.consume([desk.topics.of(dead)])
    corrected = desk.topics.of(tally.command(desk.id, "better", id=dead.id))
    for _ in range(2):
        await desk.processor.consume([corrected])
    assert await desk.notes() == ["better"]
    assert await desk.statuses() == ["done"]
    assert len(await desk.dead_letters()) == 1


async def test_a_correction_that_is_no_better_is_a_dead_letter_again(desk: Desk) -> None:
    dead = tally.command(desk.id, tally.IMPOSSIBLE)
    await desk.processor.consume([desk.topics.of(dead)])
    worse = tally.envelope(
        desk.id, tally.Cancel(channel="account", reason=tally.IMPOSSIBLE), id=dead.id
    )
    record = desk.topics.of(worse)
    for _ in range(2):
        await desk.processor.consume([record])
    assert [letter["dlq-offset"] for letter in await desk.dead_letters()] == ["0", "1"]
    await desk.processor.consume([tally.redriven(record, tally.command(desk.id, "at last"))])
    assert await desk.notes() == ["at last"]


async def test_a_correction_that_is_refused_is_one_more_letter_of_the_same_origin(
    desk: Desk,
) -> None:
    processor = make_processor(desk.pool, limits=Limits(2, 1.0))
    parked = desk.topics.record(BILLING_COMMANDS.name, KEY, b"{")
    await processor.consume([parked])
    worse = tally.redriven(parked, tally.command(KEY.decode(), tally.IMPOSSIBLE))
    broken = replace(worse, value=b"[]")
    better = tally.redriven(parked, tally.command(KEY.decode(), "at last"))
    # Refused in one batch, decided in the next: what an operator tries stops no consumer.
    await processor.consume([worse, broken])
    letters = await desk.dead_letters()
    assert [letter["dlq-code"] for letter in letters] == ["not_json", "made_up", "not_an_envelope"]
    assert [letter["dlq-attempts"] for letter in letters] == ["1", "2", "3"]
    assert {letter["dlq-offset"] for letter in letters} == {"0"}
    value = await desk.pool.fetchval("select value from outbox order by id desc limit 1")
    assert value == b"[]"
    await processor.consume([broken, better, worse])
    assert await desk.notes(UUID(KEY.decode())) == ["at last"]
    assert sorted(await desk.statuses()) == ["done", "done"]
    assert len(await desk.dead_letters()) == 4


async def test_an_unknown_type_of_our_own_is_ignored_and_counts_in_the_sequence(desk: Desk) -> None:
    unknown = _retyped(tally.outcome(desk.id, "?", 1), "notifications.mail-danced.v1")
    known = tally.outcome(desk.id, "two", 2)
    await desk.processor.consume(
        [desk.topics.record(NOTIFICATIONS_EVENTS.name, str(desk.id).encode(), unknown)]
    )
    await desk.processor.consume([desk.topics.of(known)])
    assert await desk.notes() == ["two"]
    assert await desk.dead_letters() == []


async def test_an_unknown_type_of_our_own_without_a_sequence_is_a_dead_letter(desk: Desk) -> None:
    unknown = json.loads(_retyped(tally.outcome(desk.id, "?", 1), "notifications.mail-danced.v1"))
    del unknown["sequence"]
    record = desk.topics.record(
        NOTIFICATIONS_EVENTS.name, str(desk.id).encode(), json.dumps(unknown).encode()
    )
    await desk.processor.consume([record])
    assert [letter["dlq-code"] for letter in await desk.dead_letters()] == ["invalid_field"]


async def test_a_newer_major_of_our_own_stops_the_consumer(desk: Desk) -> None:
    newer = _retyped(tally.outcome(desk.id, "?", 1), "notifications.mail-requested.v2")
    record = desk.topics.record(NOTIFICATIONS_EVENTS.name, str(desk.id).encode(), newer)
    with pytest.raises(ConfigurationError, match="newer"):
        await desk.processor.consume([record])
    assert await desk.statuses() == []


def _retyped(message: Any, type: str) -> bytes:
    return json.dumps({**json.loads(message.to_json()), "type": type}).encode()


def _hopeless(desk: Desk, count: int) -> list[Record]:
    return [desk.topics.record(PAYMENTS_EVENTS.name, KEY, b"{") for _ in range(count)]


async def test_too_many_in_a_row_stop_the_consumer_and_keep_the_rest(desk: Desk) -> None:
    processor = make_processor(desk.pool, limits=Limits(3, 1.0))
    good = desk.topics.of(tally.command(desk.id, "good"))
    await processor.consume([*_hopeless(desk, 2), good, *_hopeless(desk, 2)])
    assert len(await desk.dead_letters()) == 4
    with pytest.raises(DeadLetterLimit):
        await processor.consume(_hopeless(desk, 50))
    assert len(await desk.dead_letters()) <= 6


async def test_too_large_a_share_stops_the_consumer() -> None:
    limits = Limits(1000, 0.1, window=100)
    limits.count([False, True] * 49)
    with pytest.raises(DeadLetterLimit, match="of the last 100"):
        limits.count([False, True])


async def test_a_redelivery_does_not_count_against_the_limit(desk: Desk) -> None:
    processor = make_processor(desk.pool, limits=Limits(3, 1.0))
    batch = _hopeless(desk, 2)
    for _ in range(3):
        await processor.consume(batch)
    assert len(await desk.dead_letters()) == 2


async def test_a_second_fault_does_not_hide_the_place(desk: Desk) -> None:
    record = replace(desk.topics.of(tally.command(desk.id, "one")), key=None)
    await desk.processor.consume([record])
    (letter,) = await desk.dead_letters()
    assert letter["dlq-code"] == "no_key"


def _back(**given: str) -> Record:
    """A record of the redrive topic; headers by name, with underscores."""
    usual = {"topic": "billing.commands", "partition": "1", "offset": "7", "timestamp": "5"}
    headers = [(f"redrive-{name}", text.encode()) for name, text in {**usual, **given}.items()]
    return from_kafka(
        ConsumerRecord("billing.redrive", 0, 3, 9, 0, KEY, b"{", None, 0, 0, headers),
        "billing.redrive",
    )


def test_what_is_sent_back_stands_where_its_dead_letter_did() -> None:
    back = _back()
    assert (back.topic, back.partition, back.offset) == ("billing.commands", 1, 7)
    assert (back.timestamp_ms, back.redriven) == (5, True)
    assert _back(timestamp="?").timestamp_ms == 9


@pytest.mark.parametrize(
    "wrong", [{"topic": "none"}, {"partition": "-1"}, {"partition": "9" * 10}, {"offset": "9" * 19}]
)
def test_what_names_no_place_is_not_sent_back(wrong: dict[str, str]) -> None:
    back = _back(**wrong)
    assert (back.topic, back.offset, back.redriven) == ("billing.redrive", 3, False)
