"""Broker, database or mail server away: readiness off, no dead letter, all catches up by itself."""

import signal
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

import pytest

from contracts.topics import SERVICES
from ops.services_http import get
from tests.crash.conftest import Report
from tests.crash.scene import Scene
from tests.support.eventually import eventually
from tests.support.judge import judge
from tests.support.load import under_load
from tests.support.people import mixed, people
from tests.support.sight import PATIENCE_S

pytestmark = [pytest.mark.xdist_group("crash"), pytest.mark.timeout(300)]


async def _away_and_back(
    scene: Scene,
    report: Report,
    what: str,
    crash: Callable[[], Awaitable[None]],
    start: Callable[[], Awaitable[None]],
    missed_by: tuple[str, ...],
) -> None:
    scene.start()
    await scene.services.wait_ready(timeout_s=PATIENCE_S)
    pids = {service: scene.services.pid(service) for service in SERVICES}
    async with under_load(scene) as load:
        await eventually(scene.mailbox.count, PATIENCE_S, "the first mails arrive")
        await crash()
        await eventually(
            lambda: _not_ready(scene, missed_by), PATIENCE_S, f"readiness goes off: {missed_by}"
        )
        before = len(load.customers)
        scene.note_kill()
        await start()
        await scene.services.wait_ready(timeout_s=PATIENCE_S)
        await eventually(lambda: len(load.customers) > before, PATIENCE_S, "customers keep coming")
    seconds = await scene.settle()
    assert {service: scene.services.pid(service) for service in SERVICES} == pids
    report(f"{what} away", "all", "", await judge(scene, load.customers), seconds)


async def _not_ready(scene: Scene, services: tuple[str, ...]) -> bool:
    ready = await scene.ready()
    return not any(ready[service] for service in services)


async def test_broker_killed_under_load(scene: Scene, report: Report) -> None:
    kafka = scene.embedded.kafka
    await _away_and_back(scene, report, "broker", kafka.kill, kafka.start, SERVICES)


async def test_database_crashed_under_load(scene: Scene, report: Report) -> None:
    postgres = scene.embedded.postgres
    await _away_and_back(scene, report, "database", postgres.crash, postgres.start, SERVICES)


async def test_mailbox_killed_under_load(scene: Scene, report: Report) -> None:
    mailbox = scene.embedded.mailbox
    kill = partial(mailbox.stop, signal.SIGKILL)
    await _away_and_back(scene, report, "mail server", kill, mailbox.start, ("notifications",))


async def test_mailbox_that_refuses_for_a_while_gets_each_mail_once(
    scene: Scene, report: Report
) -> None:
    customers = people("R", 30)
    await scene.mailbox.set_faults([{"stage": "data", "code": 451, "times": 40}])
    await scene.publish(mixed(customers))
    scene.start()
    scene.note_kill()
    await scene.services.wait_ready(timeout_s=PATIENCE_S)
    seconds = await scene.settle(timedelta(hours=1))
    assert (await scene.mailbox.faults())[0]["times"] == 0, "40 attempts were refused"
    assert await scene.count("select max(attempts) from notifications.mail") > 1
    verdict = await judge(scene, customers)
    assert not verdict.resent, "a refusal is no unknown end"
    status, _ = await get(f"{scene.services.url('notifications')}/readyz")
    assert status == 200
    report("mail server refuses", "notifications", "", verdict, seconds)
