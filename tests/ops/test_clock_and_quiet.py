"""The quiet check and the virtual clock on the real stack with its services."""

import asyncio
import json
import random
import time
from datetime import timedelta

import pytest

from contracts.catalogue import decode
from contracts.topics import BILLING_EVENTS, PAYMENTS_EVENTS
from ops.clock import VirtualClock, next_stop
from ops.connection import Stack
from ops.errors import OpsError, TryAgain, WrongUsage
from ops.instants import parse_instant
from ops.quiet import NotQuiet, Quiet
from ops.records import read_keys
from ops.sending import message_headers, sender
from ops.subscriptions import find_in_stack
from ops.supervisor import Services
from tests.ops.orders import order, paid_order
from tests.ops.running import Tenure
from tests.support.worker_stack import START

pytestmark = [
    pytest.mark.xdist_group("ops"),
    pytest.mark.timeout(120),
]
DAY = timedelta(days=1)


async def publish(where: Stack, lines: str) -> None:
    async with sender(where) as to:
        for line in lines.encode().splitlines():
            message = decode(line)
            key = message.subject.encode()
            await to.send(PAYMENTS_EVENTS.name, key, line, message_headers(message))


async def events_of(where: Stack, reference: str) -> list[str]:
    known = await find_in_stack(where, reference)
    records = await read_keys(where, {BILLING_EVENTS.name: str(known.id).encode()})
    return [decode(record.value or b"").type.split(".")[1] for record in records]


def test_stops_are_due_instants_or_multiples_of_the_step() -> None:
    to = START + 10 * DAY
    due = START + 2.5 * DAY
    assert next_stop(START, to, due, None) == due
    assert next_stop(START, to, None, None) == to
    assert next_stop(START, to, to + DAY, None) == to
    assert next_stop(START, to, due, DAY) == START + 3 * DAY
    assert next_stop(START, START + 2.75 * DAY, due, DAY) == START + 2.75 * DAY


async def test_a_real_clock_cannot_be_moved(where: Stack) -> None:
    with pytest.raises(OpsError, match="real time"):
        VirtualClock(Stack({**where.variables, "CLOCK": "real"}))


async def test_quiet_returns_after_everything_was_done(where: Stack) -> None:
    async with Quiet(where) as quiet:
        work = await quiet.wait()
        await publish(where, paid_order("Q-1", work.now))
        await quiet.wait()
        assert "period-scheduled" in await events_of(where, "Q-1")


async def test_no_premature_return_with_delays_between_the_looks(where: Stack) -> None:
    """Records on their way between the looks are not missed: the reason for the second look."""
    chance = random.Random(7)

    async def delay() -> None:
        await asyncio.sleep(chance.random() * 0.03)

    async with VirtualClock(where) as clock:
        clock.quiet.between = delay
        for number in range(15):
            now = await clock.now()
            await publish(where, paid_order(f"D-{number}", now))
            await clock.advance(now + timedelta(hours=1))
            async with where.database() as connection:
                mails = await connection.fetchval(
                    "select count(*) from notifications.read_mail where status <> 'done'"
                )
            assert "period-scheduled" in await events_of(where, f"D-{number}")
            assert mails == 0


async def test_what_is_pending_is_named_when_time_is_up(where: Stack, office: Services) -> None:
    async with Quiet(where) as quiet:
        await quiet.wait()
        await office.stop("licensing")
        try:
            await publish(where, paid_order("P-1", (await quiet.wait()).now))
            with pytest.raises(NotQuiet, match=r"tenure\.licensing on \S*billing\.events"):
                await quiet.wait(1.5)
        finally:
            office.spawn("licensing")
            await office.wait_ready("licensing")
        await quiet.wait()


async def test_advance_visits_deadlines_in_order(where: Stack) -> None:
    async with VirtualClock(where) as clock:
        now = await clock.now()
        await publish(where, paid_order("A-1", now))
        stops = []
        done = await clock.advance(now + 340 * DAY, on_hop=stops.append)
        assert stops == sorted(stops)
        assert len(stops) == done.hops
        assert stops[-1] == done.now == now + 340 * DAY
        told = await events_of(where, "A-1")
        assert "renewal-reminder-due" in told
        assert "renewal-charge-requested" not in told
        done = await clock.advance(done.now + 60 * DAY, step=DAY)
        told = await events_of(where, "A-1")
        assert told.index("renewal-reminder-due") < told.index("renewal-charge-requested")
        assert not done.stuck


async def test_only_one_driver_moves_the_clock(where: Stack) -> None:
    async with VirtualClock(where):
        with pytest.raises(TryAgain, match="moving the clock"):
            async with VirtualClock(where):
                pass


async def test_an_order_that_is_never_paid_lapses_by_the_clock(where: Stack) -> None:
    async with VirtualClock(where) as clock:
        now = await clock.now()
        await publish(where, order("U-1", now))
        await clock.advance(now + 2 * DAY)
        assert "subscription-incomplete-expired" in await events_of(where, "U-1")


async def test_a_jump_does_late_what_fell_due_and_never_goes_back(where: Stack) -> None:
    async with VirtualClock(where) as clock:
        now = await clock.now()
        await publish(where, paid_order("J-1", now))
        done = await clock.jump(now + 360 * DAY)
        assert (done.now, done.hops, done.stuck) == (now + 360 * DAY, 1, ())
        known = await find_in_stack(where, "J-1")
        records = await read_keys(where, {BILLING_EVENTS.name: str(known.id).encode()})
        told = [decode(record.value or b"") for record in records]
        (reminder,) = (m for m in told if m.type.startswith("billing.renewal-reminder-due"))
        assert reminder.time < now + 340 * DAY
        assert reminder.recordedat == now + 360 * DAY
        with pytest.raises(WrongUsage, match="it only moves forward"):
            await clock.jump(done.now)


def test_the_command_jumps_forward_only(tenure: Tenure) -> None:
    now = parse_instant(json.loads(tenure("clock", "show", "--json").stdout)["now"])
    later = now + timedelta(hours=1)
    done = tenure("clock", "jump", later.isoformat(), "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (parse_instant(told["now"]), told["hops"], told["stuck"]) == (later, 1, [])
    back = tenure("clock", "jump", now.isoformat())
    assert (back.returncode, back.stdout) == (2, "")
    assert "it only moves forward" in back.stderr


async def test_an_empty_hop_is_quick(where: Stack) -> None:
    async with VirtualClock(where) as clock:
        now = await clock.now()
        await clock.advance(now)
        began = time.perf_counter()
        for minute in range(1, 21):
            await clock.advance(now + timedelta(minutes=minute))
        # Measured 5 ms on a quiet machine; the bound only catches a polling mistake.
        assert (time.perf_counter() - began) / 20 < 0.2
