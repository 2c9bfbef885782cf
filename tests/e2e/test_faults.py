"""Every part stopped, killed and frozen under load: all catches up by itself, nothing lost or doubled."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
import pytest_asyncio

from contracts.topics import SERVICES
from devstack.behaviour import Customer
from tests.e2e.conftest import Report, Start
from tests.e2e.system import PARTS, SESSION_TIMEOUT_MS, System
from tests.support.eventually import eventually
from tests.support.judge import judge
from tests.support.load import Load, under_load
from tests.support.people import NOW
from tests.support.sight import PATIENCE_S

pytestmark = pytest.mark.timeout(300)

#: Long enough for the group to go on without a frozen member.
_FREEZE_S = SESSION_TIMEOUT_MS / 1000 + 2


@dataclass
class Town:
    """The system of this file, and everybody who ever ordered on it."""

    system: System
    everyone: list[Customer] = field(default_factory=list)


@pytest_asyncio.fixture(scope="module")
async def town(start_system: Start) -> AsyncIterator[Town]:
    """The clock stands shortly after the orders, so that nothing else is due for long."""
    async with start_system(NOW) as system:
        yield Town(system)


async def _stop_and_start(system: System, part: str) -> None:
    await system.stop(part)
    await system.start(part)


async def _kill_and_start(system: System, part: str) -> None:
    await system.kill(part)
    await system.start(part)


async def _freeze(system: System, part: str) -> None:
    await system.pause(part)
    await asyncio.sleep(_FREEZE_S)  # the length of the fault, not a wait for something
    await system.unpause(part)


_FAULTS: dict[str, Callable[[System, str], Awaitable[None]]] = {
    "stop and start": _stop_and_start,
    "kill -9 and start": _kill_and_start,
    "freeze": _freeze,
}
_CASES = [(fault, part) for part in PARTS for fault in _FAULTS]
# A mailbox in a container holds its mails in memory: what follows on this system cannot count them.
_CASES.sort(key=lambda case: case[1] == "mailpit" and case[0] != "freeze")


@pytest.mark.parametrize(("fault", "part"), _CASES)
async def test_under_load_all_recovers_from(
    town: Town, report: Report, fault: str, part: str
) -> None:
    system = town.system
    async with under_load(system, 1.0, tag=f"{part}-{fault.split()[0]}") as load:
        await _more_come(load)
        if part == "mailpit":
            system.mails_are_kept = system.mails_are_kept and fault == "freeze"
        await _FAULTS[fault](system, part)
        back_at = time.monotonic()
        await system.wait_ready()
        await _more_come(load)
    town.everyone += load.customers
    await system.catch_up(timedelta(minutes=5))
    seconds = time.monotonic() - back_at
    report(fault, part, await judge(system, town.everyone), seconds)


async def test_workers_come_and_go_under_load(town: Town, report: Report) -> None:
    system = town.system
    began = time.monotonic()
    async with under_load(system, 1.0, tag="scale") as load:
        for workers in (3, 1):
            await _more_come(load)
            for service in SERVICES:
                await system.scale(service, workers)
            await system.wait_ready()
            for service in SERVICES:
                assert len(await system.urls(service)) == workers
        await _more_come(load)
    town.everyone += load.customers
    await system.catch_up(timedelta(minutes=5))
    seconds = time.monotonic() - began
    report("three workers, then one", "all", await judge(system, town.everyone), seconds)


async def _more_come(load: Load) -> None:
    before = len(load.customers)
    await eventually(lambda: len(load.customers) > before, PATIENCE_S, "customers keep coming")
