"""kill -9 between the intent to send and the record of the answer: docs/architecture.md says what then.

A confirmation is sent once more under the same Message-ID; any other mail ends as `mail-unknown`.
"""

import os
from collections import Counter
from uuid import UUID

import pytest

from devstack.behaviour import Customer, event
from tests.crash.conftest import Report
from tests.crash.scene import Scene
from tests.support.judge import judge
from tests.support.people import FIRST_ORDER, START, id_of, mixed, people

pytestmark = [pytest.mark.xdist_group("crash"), pytest.mark.timeout(300)]

_HITS = (1, 2, 5) if os.environ.get("SOAK") else (2,)
_STARTED = (
    "select notice_id, subscription_id, message_id from notifications.mail where status = 'started'"
)


@pytest.mark.parametrize("hit", _HITS)
@pytest.mark.parametrize("point", ["mail.after_intent", "mail.after_accept"])
async def test_a_mail_on_the_wire_when_its_sender_dies(
    scene: Scene, report: Report, point: str, hit: int
) -> None:
    left = point == "mail.after_accept"
    customers = people("R", 30)
    await scene.publish(mixed(customers))
    scene.start(armed="notifications", point=point, hit=hit)
    confirmations = await _on_the_wire(scene, left)
    scene.services.spawn("notifications")
    seconds = await scene.settle()
    verdict = await judge(scene, customers)
    assert verdict.resent == confirmations.keys()
    assert verdict.twice == (confirmations.keys() if left else frozenset())
    report(point, "notifications", hit, f"confirmations: {verdict}", seconds)

    await scene.services.kill("notifications")
    await scene.publish([_cancellation(customer) for customer in customers])
    await scene.quiet_but("notifications")
    scene.arm("notifications", point, hit)
    cancellations = await _on_the_wire(scene, left)
    scene.services.spawn("notifications")
    seconds = await scene.settle()
    verdict = await judge(scene, customers, lambda c: _canceled(id_of(c) in cancellations.values()))
    assert verdict.unknown == cancellations.keys()
    copies = await scene.copies()
    assert [copies[f"{notice}@tenure.example"] for notice in cancellations] == [
        int(left) for _ in cancellations
    ]
    assert verdict.resent == confirmations.keys()
    report(point, "notifications", hit, f"cancellations: {verdict}", seconds)


async def _on_the_wire(scene: Scene, left: bool) -> dict[str, UUID]:
    """Notices (with their subscriptions) that were in hand at the kill; all or none had left."""
    await scene.died("notifications")
    async with scene.database() as connection:
        rows = await connection.fetch(_STARTED)
    copies = await scene.copies()
    assert rows, "some mails were in hand"
    assert {copies[row["message_id"].strip("<>")] for row in rows} == {int(left)}
    return {str(row["notice_id"]): row["subscription_id"] for row in rows}


def _cancellation(customer: Customer) -> dict[str, object]:
    id = f"{customer.reference}-cancel"
    kind = "payments.cancellation-requested.v1"
    data = {"channel": "provider"}
    return event(customer.provider_id, customer.reference, id, kind, START, data)


def _canceled(unknown: bool) -> Counter[str]:
    told = FIRST_ORDER + Counter(
        {"billing.cancellation-scheduled": 1, "notifications.mail-requested": 1}
    )
    told["notifications.mail-unknown" if unknown else "notifications.mail-accepted"] += 1
    return told
