"""kill -9 between fetch and commit of the offset: nothing is lost, nothing happens twice."""

import os

import pytest

from contracts.topics import SERVICES
from tests.crash.conftest import Report
from tests.crash.scene import Scene
from tests.support.judge import judge
from tests.support.people import mixed, people

pytestmark = [pytest.mark.xdist_group("crash"), pytest.mark.timeout(300)]

_POINTS = (
    "consumer.after_fetch",
    "consumer.after_claim",
    "consumer.before_commit",
    "consumer.after_commit",
)
_CASES = [
    ("billing", "consumer.after_fetch", 3),
    ("billing", "consumer.after_claim", 3),
    ("billing", "consumer.before_commit", 1),
    ("billing", "consumer.after_commit", 3),
    ("licensing", "consumer.after_claim", 1),
    ("licensing", "consumer.after_commit", 3),
    ("notifications", "consumer.after_fetch", 2),
    ("notifications", "consumer.before_commit", 3),
]
if os.environ.get("SOAK"):
    _CASES = [(name, point, hit) for name in SERVICES for point in _POINTS for hit in (1, 2, 4)]


@pytest.mark.parametrize(("service", "point", "hit"), _CASES)
async def test_a_kill_in_the_consumer_changes_no_effect(
    scene: Scene, report: Report, service: str, point: str, hit: int
) -> None:
    customers = people("R", 30)
    await scene.publish(mixed(customers))
    scene.start(armed=service, point=point, hit=hit)
    await scene.died(service)
    ahead = await scene.ahead(service)
    if point == "consumer.after_commit":
        assert ahead > 0, "the batch is durable and its offsets are not committed"
    elif hit == 1:  # later, batches before this one may be durable without their offsets
        assert ahead == 0, "nothing of the batch is durable"
    inbox = f"select count(*) from {service}.inbox"
    before = await scene.count(inbox)
    scene.services.spawn(service)
    seconds = await scene.settle()
    verdict = await judge(scene, customers)
    # The second process decides on what the first did not, however much is delivered again.
    assert await scene.decided(scene.services, service) == await scene.count(inbox) - before
    report(point, service, hit, verdict, seconds)
