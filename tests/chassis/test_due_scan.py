"""Time is a message: due rows are decided once, in order, and not while their key waits."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4, uuid5

import pytest

from chassis.clock import Clock
from chassis.due_scan import cause_of
from chassis.processing import Processor
from tests.chassis import tally
from tests.chassis.conftest import Desk, make_processor


async def _alarm(desk: Desk, milliseconds: int = 0) -> None:
    command = tally.command(desk.id, f"{tally.ALARM}{milliseconds}")
    await desk.processor.consume([desk.topics.of(command)])


async def _scan(processor: Processor[Any], limit: int = 500) -> int:
    count, _ = await processor.run_due(cause_of, limit)
    return count


async def test_a_due_row_hears_that_time_has_passed(desk: Desk) -> None:
    await _alarm(desk)
    row = await desk.pool.fetchrow("select due_at, version from tally")
    assert await _scan(desk.processor) == 1
    assert await desk.notes() == [f"{tally.ALARM}0", "time"]
    cause = uuid5(desk.id, f"due:{row['due_at'].isoformat()}:{row['version']}")
    assert (await desk.told())[-1]["causationid"] == str(cause)
    assert await _scan(desk.processor) == 0


async def test_what_is_not_due_is_left_and_the_next_deadline_is_told(desk: Desk) -> None:
    await _alarm(desk, 60_000)
    count, next_due = await desk.processor.run_due(cause_of, 500)
    assert count == 0
    assert next_due == await desk.pool.fetchval("select due_at from tally")


async def test_a_deadline_far_ahead_is_left_to_a_later_look(desk: Desk) -> None:
    await _alarm(desk, 120_000)
    assert await desk.processor.run_due(cause_of, 500) == (0, None)


@pytest.mark.parametrize(("milliseconds", "near"), [(0, True), (30_000, True), (120_000, False)])
async def test_only_a_near_deadline_wakes_the_scan(
    desk: Desk, pool: Any, milliseconds: int, near: bool
) -> None:
    heard: list[tuple[bool, bool]] = []
    processor = make_processor(pool, wake=lambda published, near: heard.append((published, near)))
    command = tally.command(desk.id, f"{tally.ALARM}{milliseconds}")
    await processor.consume([desk.topics.of(command)])
    await processor.consume([desk.topics.of(command)])
    assert heard == [(True, near), (False, False)]


async def test_a_waiting_key_is_skipped_until_it_is_settled(desk: Desk) -> None:
    await _alarm(desk)
    await desk.processor.consume([desk.topics.of(tally.outcome(desk.id, "two", 2))])
    assert await _scan(desk.processor) == 0
    await desk.processor.consume([desk.topics.of(tally.outcome(desk.id, "one", 1))])
    assert await _scan(desk.processor) == 1
    assert (await desk.notes())[1:] == ["one", "two", "time"]


async def test_two_scans_at_once_take_each_row_once(desk: Desk) -> None:
    ids = [uuid4() for _ in range(40)]
    await desk.processor.consume(
        [desk.topics.of(tally.command(id, f"{tally.ALARM}0")) for id in ids]
    )
    counts = await asyncio.gather(*(_scan(make_processor(desk.pool), 25) for _ in range(2)))
    counts.append(await _scan(desk.processor))
    assert sum(counts) == 40
    assert {tuple(await desk.notes(id)) for id in ids} == {(f"{tally.ALARM}0", "time")}


async def test_a_decision_that_leaves_a_row_due_is_a_mistake(desk: Desk) -> None:
    await desk.processor.consume([desk.topics.of(tally.command(desk.id, tally.SNOOZE))])
    await _alarm(desk)
    with pytest.raises(RuntimeError, match="still due"):
        await _scan(desk.processor)
    assert "time" not in await desk.notes()


async def test_the_virtual_clock_decides_what_is_due(desk: Desk, pool: Any) -> None:
    processor = make_processor(pool, clock=Clock("virtual"))
    await desk.set_clock(tally.START)
    command = tally.command(desk.id, f"{tally.ALARM}1000")
    await processor.consume([desk.topics.of(command)])
    assert await desk.pool.fetchval("select due_at from tally") == tally.START + timedelta(
        seconds=1
    )
    assert await _scan(processor) == 0
    await desk.set_clock(tally.START + timedelta(seconds=1))
    assert await _scan(processor) == 1
    assert (await desk.told())[-1]["recordedat"] == "2026-01-01T00:00:01Z"


async def test_time_never_runs_backwards_for_one_key(desk: Desk, pool: Any) -> None:
    processor = make_processor(pool, clock=Clock("virtual"))
    for hours in (2, 1):
        await desk.set_clock(tally.START + timedelta(hours=hours))
        await processor.consume([desk.topics.of(tally.command(desk.id, "x"))])
    assert [told["recordedat"] for told in await desk.told()] == ["2026-01-01T02:00:00Z"] * 2


async def test_the_real_clock_is_in_utc(desk: Desk) -> None:
    before = datetime.now(UTC)
    async with desk.pool.acquire() as connection:
        now = await Clock("real").now(connection)
    assert before <= now <= datetime.now(UTC)
