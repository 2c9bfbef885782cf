"""kill -9 after Kafka has acknowledged and before the outbox is emptied: sent again, taken once."""

import os

import pytest

from contracts.topics import SERVICES
from tests.crash.conftest import Report
from tests.crash.scene import Scene
from tests.support.judge import judge
from tests.support.people import mixed, people

pytestmark = [pytest.mark.xdist_group("crash"), pytest.mark.timeout(300)]

_CASES = [("billing", 3), ("licensing", 2)]
if os.environ.get("SOAK"):
    _CASES = [(service, hit) for service in SERVICES for hit in (1, 2, 3, 5)]


@pytest.mark.parametrize(("service", "hit"), _CASES)
async def test_a_kill_after_produce_repeats_records_and_no_effect(
    scene: Scene, report: Report, service: str, hit: int
) -> None:
    customers = people("R", 30)
    await scene.publish(mixed(customers))
    scene.start(armed=service, point="relay.after_produce", hit=hit)
    await scene.died(service)
    assert await scene.count(f"select count(*) from {service}.outbox") > 0
    scene.services.spawn(service)
    seconds = await scene.settle()
    verdict = await judge(scene, customers)
    assert verdict.repeated > 0, "the round was published twice"
    report("relay.after_produce", service, hit, verdict, seconds)
