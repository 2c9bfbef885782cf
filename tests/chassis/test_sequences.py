"""Our own topics are read in the order of their sequence: gaps and dead letters hold what follows."""

import random

import pytest

from chassis.records import Record
from contracts.topics import NOTIFICATIONS_EVENTS
from tests.chassis import tally
from tests.chassis.conftest import Desk

TOPIC = NOTIFICATIONS_EVENTS.name


def numbered(desk: Desk, *numbers: int, note: str = "") -> list[Record]:
    return [desk.topics.of(tally.outcome(desk.id, note or f"n{n}", n)) for n in numbers]


async def _held(desk: Desk) -> list[tuple[int, str]]:
    rows = await desk.pool.fetch("select sequence, reason from held order by sequence")
    return [(row["sequence"], row["reason"]) for row in rows]


async def test_a_gap_is_held_and_released_in_order(desk: Desk) -> None:
    one, two, three, four = numbered(desk, 1, 2, 3, 4)
    await desk.processor.consume([one, four])
    await desk.processor.consume([three])
    assert await desk.notes() == ["n1"]
    assert await desk.waiting()
    assert await _held(desk) == [(3, "gap"), (4, "gap")]
    await desk.processor.consume([two])
    assert await desk.notes() == ["n1", "n2", "n3", "n4"]
    assert not await desk.waiting()
    assert await _held(desk) == []
    assert await desk.statuses() == ["done"] * 4


async def test_a_gap_within_one_batch_leaves_nothing_behind(desk: Desk) -> None:
    await desk.processor.consume(numbered(desk, 3, 1, 2))
    assert await desk.notes() == ["n1", "n2", "n3"]
    assert await _held(desk) == []
    assert await desk.statuses() == ["done"] * 3


async def test_a_held_message_that_comes_again_is_a_repetition(desk: Desk) -> None:
    one, three = numbered(desk, 1, 3)
    await desk.processor.consume([one, three])
    await desk.processor.consume([one, three])
    assert await _held(desk) == [(3, "gap")]
    await desk.processor.consume(numbered(desk, 2))
    assert await desk.notes() == ["n1", "n2", "n3"]


async def test_a_gap_on_one_topic_does_not_hold_another(desk: Desk) -> None:
    await desk.processor.consume(numbered(desk, 2))
    await desk.processor.consume([desk.topics.of(tally.command(desk.id, "now"))])
    assert await desk.notes() == ["now"]


@pytest.mark.parametrize("seed", range(5))
async def test_any_order_in_any_batches_gives_the_order_of_the_sequence(
    desk: Desk, seed: int
) -> None:
    chance = random.Random(seed)
    records = numbered(desk, *range(1, 21))
    records += chance.choices(records, k=10)
    chance.shuffle(records)
    while records:
        batch = [records.pop() for _ in range(min(len(records), chance.randint(1, 7)))]
        await desk.processor.consume(batch)
    assert await desk.notes() == [f"n{n}" for n in range(1, 21)]
    assert await _held(desk) == []


async def test_an_unknown_key_begins_at_one(desk: Desk) -> None:
    await desk.processor.consume(numbered(desk, 2))
    assert await desk.notes() == []
    assert await _held(desk) == [(2, "gap")]


async def test_an_unknown_key_begins_where_retention_left_it(desk: Desk) -> None:
    desk.processor.log_starts[TOPIC, 0] = 17
    await desk.processor.consume(numbered(desk, 5, 6))
    assert await desk.notes() == ["n5", "n6"]
    await desk.processor.consume(numbered(desk, 8))
    assert await desk.notes() == ["n5", "n6"]


async def test_a_dead_letter_parks_its_key_and_no_other(desk: Desk) -> None:
    other = Desk(desk.processor, desk.pool, desk.topics)
    bad = numbered(desk, 1, note=tally.IMPOSSIBLE)
    await desk.processor.consume([*bad, *numbered(desk, 2), *numbered(other, 1)])
    await desk.processor.consume(numbered(desk, 3))
    assert await other.notes() == ["n1"]
    assert await desk.notes() == []
    assert await desk.waiting()
    assert await _held(desk) == [(2, "key_parked"), (3, "key_parked")]
    assert [letter["dlq-code"] for letter in await desk.dead_letters()] == ["made_up"]


@pytest.mark.parametrize("correction", [None, "mended"])
async def test_a_redriven_dead_letter_releases_what_waited(
    desk: Desk, correction: str | None
) -> None:
    message = tally.outcome(desk.id, tally.IMPOSSIBLE, 1)
    parked = desk.topics.of(message)
    await desk.processor.consume([parked, *numbered(desk, 2, 3)])
    again = tally.outcome(desk.id, correction or "n1", 1, id=message.id)
    back = tally.redriven(parked, again)
    for _ in range(2):
        await desk.processor.consume([back])
    assert await desk.notes() == [correction or "n1", "n2", "n3"]
    assert not await desk.waiting()
    assert await _held(desk) == []
    assert await desk.statuses() == ["done"] * 3
    assert len(await desk.dead_letters()) == 1


async def test_a_redriven_original_works_when_the_cause_is_gone(desk: Desk) -> None:
    parked = desk.topics.record(TOPIC, str(desk.id).encode(), b"{")
    await desk.processor.consume([parked, *numbered(desk, 2)])
    assert await _held(desk) == [(2, "key_parked")]
    await desk.processor.consume([tally.redriven(parked, tally.outcome(desk.id, "n1", 1))])
    assert await desk.notes() == ["n1", "n2"]
    assert not await desk.waiting()


async def test_a_redriven_message_that_is_still_bad_stays_parked(desk: Desk) -> None:
    message = tally.outcome(desk.id, tally.IMPOSSIBLE, 1)
    parked = desk.topics.of(message)
    await desk.processor.consume([parked, *numbered(desk, 2)])
    for _ in range(2):
        await desk.processor.consume([tally.redriven(parked)])
    assert await desk.waiting()
    assert await desk.statuses() == ["parked", "held"]
    assert [letter["dlq-attempts"] for letter in await desk.dead_letters()] == ["1", "2", "3"]
    assert await desk.pool.fetchval("select attempts from read_parked") == 3
    await desk.processor.consume(
        [tally.redriven(parked, tally.outcome(desk.id, "n1", 1, id=message.id))]
    )
    assert await desk.notes() == ["n1", "n2"]


@pytest.mark.parametrize("readable", [True, False])
async def test_a_discarded_dead_letter_counts_as_done(desk: Desk, readable: bool) -> None:
    if readable:
        (parked,) = numbered(desk, 1, note=tally.IMPOSSIBLE)
    else:
        parked = desk.topics.record(TOPIC, str(desk.id).encode(), b"{")
    await desk.processor.consume([parked, *numbered(desk, 2, 3)])
    for _ in range(2):
        await desk.processor.consume([tally.redriven(parked, discard=True)])
    assert await desk.notes() == ["n2", "n3"]
    assert not await desk.waiting()
    assert await desk.statuses() == ["done"] * 3
    assert len(await desk.dead_letters()) == 1


async def test_a_dead_letter_behind_a_gap_can_be_discarded(desk: Desk) -> None:
    (bad,) = numbered(desk, 2, note="x" * 10)
    bad = desk.topics.record(TOPIC, bad.key, (bad.value or b"").replace(b'"receipt"', b'"what"'))
    await desk.processor.consume([bad])
    await desk.processor.consume([tally.redriven(bad, discard=True)])
    await desk.processor.consume(numbered(desk, 3))
    await desk.processor.consume(numbered(desk, 1))
    assert await desk.notes() == ["n1", "n3"]
    assert not await desk.waiting()


async def test_a_waiting_message_that_turns_out_bad_is_buried_itself(desk: Desk) -> None:
    one, bad, three = (
        *numbered(desk, 1),
        *numbered(desk, 2, note=tally.IMPOSSIBLE),
        *numbered(desk, 3),
    )
    await desk.processor.consume([bad, three])
    await desk.processor.consume([one])
    assert await desk.notes() == ["n1"]
    (letter,) = await desk.dead_letters()
    assert letter["dlq-offset"] == str(bad.offset)
    assert await _held(desk) == [(3, "gap")]
    await desk.processor.consume([tally.redriven(bad, discard=True)])
    assert await desk.notes() == ["n1", "n3"]
    assert not await desk.waiting()


async def test_a_dead_letter_of_others_is_redriven_once(desk: Desk) -> None:
    message = tally.command(desk.id, tally.IMPOSSIBLE)
    parked = desk.topics.of(message)
    await desk.processor.consume([parked, desk.topics.of(tally.command(desk.id, "later"))])
    back = tally.redriven(parked, tally.command(desk.id, "mended", id=message.id))
    for _ in range(2):
        await desk.processor.consume([back])
    assert await desk.notes() == ["later", "mended"]
    assert await desk.statuses() == ["done", "done"]


async def test_a_dead_letter_of_others_is_discarded_without_another(desk: Desk) -> None:
    parked = desk.topics.record("billing.commands", b"x", b"{")
    await desk.processor.consume([parked])
    await desk.processor.consume([tally.redriven(parked, discard=True)])
    assert len(await desk.dead_letters()) == 1
    assert await desk.statuses() == ["done"]


async def test_what_is_not_parked_cannot_be_redriven(desk: Desk) -> None:
    record = desk.topics.of(tally.command(desk.id, "one"))
    await desk.processor.consume([record])
    await desk.processor.consume([tally.redriven(record, tally.command(desk.id, "two"))])
    assert await desk.notes() == ["one"]


async def test_a_conflicting_duplicate_is_redriven_only_under_a_new_id(desk: Desk) -> None:
    message = tally.command(desk.id, "one")
    other = desk.topics.of(tally.command(desk.id, "two", id=message.id))
    await desk.processor.consume([desk.topics.of(message)])
    await desk.processor.consume([other])
    await desk.processor.consume([tally.redriven(other)])
    assert await desk.notes() == ["one"]
    assert "a new one" in (await desk.dead_letters())[-1]["dlq-error"]
    await desk.processor.consume([tally.redriven(other, tally.command(desk.id, "two"))])
    assert await desk.notes() == ["one", "two"]
    assert await desk.statuses() == ["done"] * 3
