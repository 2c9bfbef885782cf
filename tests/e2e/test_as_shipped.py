"""The system in real time: orders, a rolling restart under load, rights, and wrong settings."""

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import permutations

import asyncpg
import pytest
import pytest_asyncio

from contracts.topics import SERVICES
from devstack.behaviour import Customer
from tests.e2e.compose import ComposeSystem
from tests.e2e.conftest import Report, Start
from tests.e2e.steady import SteadyLoad
from tests.e2e.system import PARTS, System
from tests.support.eventually import eventually
from tests.support.judge import judge
from tests.support.load import while_coming
from tests.support.people import mixed, people
from tests.support.sight import PATIENCE_S

pytestmark = pytest.mark.timeout(600)
_RATE_PER_S = 200
#: More never come, however long it takes.
_MOST = 60_000
_BACKLOG_S = 400.0
_TABLES = {"billing": "subscription", "licensing": "license", "notifications": "mail"}


class Town:
    """The system of this file, and everybody who ever ordered on it."""

    def __init__(self, system: System) -> None:
        """Nobody yet."""
        self.system = system
        self.everyone: list[Customer] = []


@pytest_asyncio.fixture(scope="module")
async def town(start_system: Start) -> AsyncIterator[Town]:
    """In real time, with all other settings as they are shipped."""
    async with start_system(None) as system:
        yield Town(system)


async def test_orders_become_entitlements_and_mail(town: Town, report: Report) -> None:
    system, began = town.system, time.monotonic()
    town.everyone += people("R", 30, datetime.now(UTC) - timedelta(minutes=2))
    await system.publish(mixed(town.everyone))
    await system.catch_up(timedelta(minutes=2))
    report("orders", "all", await judge(system, town.everyone), time.monotonic() - began)


async def test_a_rolling_restart_keeps_entitlements_coming(town: Town, report: Report) -> None:
    system, began = town.system, time.monotonic()
    at = datetime.now(UTC) - timedelta(minutes=2)
    async with while_coming(SteadyLoad(system, _RATE_PER_S, _MOST, at)) as load:
        await eventually(
            lambda: len(load.customers) >= 3 * _RATE_PER_S, PATIENCE_S, "the load runs"
        )
        for service in SERVICES:
            await system.replace(service)
        await system.wait_ready()
        after = len(load.customers)
        await eventually(
            lambda: len(load.customers) >= after + 3 * _RATE_PER_S, PATIENCE_S, "the load goes on"
        )
    town.everyone += load.customers
    # Thousands of mails may have piled up; entitlements do not wait for them.
    await system.catch_up(timedelta(minutes=2), _BACKLOG_S)
    verdict, waits = await judge(system, town.everyone), await load.waits()
    outcome = (
        f"{verdict}; {_RATE_PER_S} payments/s, longest gap in entitlements {waits.longest_gap_ms} "
        f"ms, wait for one {waits.median_ms} ms (median), {waits.longest_ms} ms (longest)"
    )
    report("rolling restart", "all", outcome, time.monotonic() - began)


@pytest.mark.parametrize(("service", "other"), list(permutations(SERVICES, 2)))
async def test_a_service_reaches_its_own_schema_only(town: Town, service: str, other: str) -> None:
    connection = await asyncpg.connect(
        town.system.stack.variables[f"{service.upper()}_DATABASE_URL"]
    )
    try:
        await connection.fetch(f"select * from {service}.{_TABLES[service]} limit 1")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch(f"select * from {other}.{_TABLES[other]} limit 1")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(f"create table {service}.mine ()")
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CLOCK", "sideways"),
        ("BILLING_HTTP_PORT", "many"),
        ("KAFKA_PARTITIONS", "0"),
        ("LOG_LEVEL", "LOUD"),
    ],
)
async def test_a_wrong_setting_ends_a_service_with_one_line_that_names_it(
    town: Town, variable: str, value: str
) -> None:
    ended = await town.system.try_to_run("billing", {variable: value})
    assert ended.code == 78, ended
    (line,) = [line for line in ended.lines if "Configuration error" in line]
    assert variable in line
    assert not any("Traceback" in line for line in ended.lines)


async def test_a_virtual_clock_is_refused_in_production(town: Town) -> None:
    extra = {"CLOCK": "virtual", "TENURE_ENV": "production"}
    ended = await town.system.try_to_run("billing", extra)
    assert ended.code == 78, ended
    assert any("CLOCK=virtual is not allowed" in line for line in ended.lines)


@pytest.mark.parametrize("part", PARTS)
async def test_a_container_has_few_rights_and_listens_on_this_machine_alone(
    town: Town, part: str
) -> None:
    if not isinstance(town.system, ComposeSystem):
        pytest.skip("the embedded stack has no containers")
    (container,) = await town.system.inspect(part)
    host, config = container["HostConfig"], container["Config"]
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["Memory"] > 0
    assert host["NanoCpus"] > 0
    published = [each for bindings in host["PortBindings"].values() for each in bindings]
    assert {each["HostIp"] for each in published} == {"127.0.0.1"}
    if part in SERVICES:
        assert host["ReadonlyRootfs"]
        assert config["User"] == "10001:10001"


@pytest.mark.parametrize(
    "words", [("status",), ("audit",), ("timeline", "R-0"), ("topics", "list")]
)
async def test_the_command_works_in_a_container(town: Town, words: tuple[str, ...]) -> None:
    if not isinstance(town.system, ComposeSystem):
        pytest.skip("the embedded stack has no containers")
    ended = await town.system.tool(*words)
    assert ended.code == 0, ended.lines
