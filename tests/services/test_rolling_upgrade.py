"""Two versions side by side: what the next one writes is read by this one, in topics and in states."""

import copy
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer

from chassis.aggregate import Aggregate
from contracts.catalogue import MESSAGES, decode
from contracts.topics import PAYMENTS_EVENTS
from contracts.values import subscription_id
from ops.supervisor import Services
from policies import load_policies
from services.billing.store import subscriptions
from services.licensing.store import licenses
from services.notifications.store import correspondences
from tests.contracts.published import example
from tests.support import upstream
from tests.support.desk import Desk, desk_at
from tests.support.worker_stack import WorkerStack

NEW = "of_tomorrow"
#: Where any name may stand: what a letter shows, and lists by topic.
_FREE = ("params",)
_POLICIES = load_policies()
AGGREGATES: dict[str, Aggregate[Any]] = {
    "billing": subscriptions(_POLICIES, b"key"),
    "licensing": licenses(_POLICIES),
    "notifications": correspondences(_POLICIES),
}


@pytest_asyncio.fixture(scope="module")
async def desk(
    stack: WorkerStack, services: Services, producer: AIOKafkaProducer
) -> AsyncIterator[Desk]:
    """Where these tests write, and read what was said."""
    async with desk_at(stack.ops, producer) as made:
        yield made


def grown(content: Any) -> Any:
    """The same as a newer version writes it: with one more field in every object."""
    if isinstance(content, list):
        return [grown(each) for each in content]
    if not isinstance(content, dict):
        return content
    kept = {k: v if k in _FREE else grown(v) for k, v in content.items()}
    return {**kept, NEW: {"deep": [1, "x"]}}


@pytest.mark.parametrize("type_", sorted(MESSAGES))
def test_every_message_with_more_optional_fields_says_the_same(type_: str) -> None:
    newer = json.dumps(grown(example(type_))).encode()
    assert decode(newer) == decode(json.dumps(example(type_)).encode())


async def bodies(stack: WorkerStack, id: UUID) -> dict[str, str]:
    """The stored state of a subscription in each service."""
    found = {}
    async with stack.connect("migrator") as connection:
        for service, aggregate in AGGREGATES.items():
            body = await connection.fetchval(
                f"select body from {service}.{aggregate.table} where id = $1", id
            )
            assert body is not None, service
            found[service] = body
    return found


async def test_states_of_a_newer_version_are_read_and_worked_on(
    stack: WorkerStack, desk: Desk
) -> None:
    reference = f"R-{uuid4().hex[:12]}"
    id = subscription_id("online-store", reference)
    at = await desk.now()
    await desk.subscribe(reference, at)
    await desk.settled()
    before = await bodies(stack, id)
    async with stack.connect("migrator") as connection:
        for service, aggregate in AGGREGATES.items():
            newer = json.dumps(grown(json.loads(before[service])))
            assert newer.count(NEW) > 3
            assert aggregate.decode(newer) == aggregate.decode(before[service])
            await connection.execute(
                f"update {service}.{aggregate.table} set body = $2 where id = $1", id, newer
            )
    heard = len(desk.recording.messages(id))
    canceled = upstream.message(reference, "cancellation-requested", at, {"channel": "account"})
    await desk.send(PAYMENTS_EVENTS, reference.encode(), upstream.raw(grown(copy.copy(canceled))))
    await desk.settled()
    # Of two topics either may be read first, so only what is new counts, in any order.
    said = {message.type for message in desk.recording.messages(id)[heard:]}
    assert said >= {"billing.cancellation-scheduled.v1", "notifications.mail-accepted.v1"}
    assert not [letter for letter in desk.recording.dead_letters if letter.subject == reference]
    # What an older version does not know is lost as soon as it writes: docs/operations.md says how
    # an upgrade keeps it from writing then.
    after = await bodies(stack, id)
    assert {service: NEW in body for service, body in after.items()} == dict.fromkeys(after, False)
