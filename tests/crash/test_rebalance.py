"""A second worker of each service joins under load, then one of each is killed under load."""

from functools import partial

import pytest

from contracts.topics import SERVICES
from tests.crash.conftest import Report
from tests.crash.scene import Scene
from tests.support.eventually import eventually
from tests.support.judge import judge
from tests.support.load import under_load
from tests.support.sight import PATIENCE_S

pytestmark = [pytest.mark.xdist_group("crash"), pytest.mark.timeout(300)]


async def test_workers_join_and_die_under_load(scene: Scene, report: Report) -> None:
    scene.start()
    await scene.services.wait_ready(timeout_s=PATIENCE_S)
    second = scene.more_services()
    async with under_load(scene) as load:
        await eventually(scene.mailbox.count, PATIENCE_S, "the first mails arrive")
        for service in SERVICES:
            second.spawn(service)
        await second.wait_ready(timeout_s=PATIENCE_S)
        for service in SERVICES:
            await eventually(
                partial(scene.decided, second, service), PATIENCE_S, f"the second {service} works"
            )
        for service in SERVICES:
            await scene.services.kill(service)
        scene.note_kill()
        before = len(load.customers)
        await eventually(lambda: len(load.customers) > before, PATIENCE_S, "customers keep coming")
    seconds = await scene.settle()
    verdict = await judge(scene, load.customers)
    report("worker joins, one dies", "all", "", verdict, seconds)
