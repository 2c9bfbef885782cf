"""kill -9 in the middle of a due scan: every deadline is still acted upon, once."""

import asyncio
import os
from datetime import timedelta

import asyncpg
import pytest

from devstack.payments import add_customers
from ops.clock import VirtualClock
from tests.crash.conftest import Report
from tests.crash.scene import SIMULATOR, Scene
from tests.support.judge import judge
from tests.support.people import NOW, lives, told_in_a_year
from tests.support.sight import PATIENCE_S

pytestmark = [pytest.mark.xdist_group("crash"), pytest.mark.timeout(300)]

_CASES = [("billing", "subscription", 3), ("licensing", "license", 3)]
if os.environ.get("SOAK"):
    _CASES = [
        (service, table, hit)
        for service, table in (("billing", "subscription"), ("licensing", "license"))
        for hit in (1, 2, 4, 6)
    ]


@pytest.mark.parametrize(("service", "table", "hit"), _CASES)
async def test_a_kill_mid_scan_skips_and_repeats_no_deadline(
    scene: Scene, report: Report, service: str, table: str, hit: int
) -> None:
    customers = lives("R", 12)
    connection = await asyncpg.connect(scene.variables["SIMULATOR_DATABASE_URL"])
    await add_customers(connection, customers)
    await connection.close()
    scene.start(armed=service, point="due.mid_scan", hit=hit)
    scene.services.spawn(SIMULATOR)
    await scene.services.wait_ready(timeout_s=PATIENCE_S)
    async with VirtualClock(scene.stack) as clock:
        year = asyncio.create_task(clock.advance(NOW + timedelta(days=410), timeout_s=PATIENCE_S))
        await scene.died(service)
        due = f"select count(*) from {service}.{table} where due_at <= (select now from ops.clock)"
        assert await scene.count(due) > 0, "what was decided in the scan is not durable"
        scene.services.spawn(service)
        seconds = await scene.settle(timedelta(0))
        assert not (await year).stuck
    report("due.mid_scan", service, hit, await judge(scene, customers, told_in_a_year), seconds)
