"""The same id again: ignored and counted with the same content, a dead letter with any other."""

from datetime import timedelta
from uuid import uuid4

import pytest

from contracts import billing, commands
from contracts.catalogue import ENVELOPES
from contracts.topics import BILLING_COMMANDS, PAYMENTS_EVENTS
from contracts.values import subscription_id
from ops.supervisor import Services
from tests.services.billing.rows import LIMIT
from tests.support import upstream
from tests.support.desk import Desk
from tests.support.metrics import counted


@pytest.fixture
def reference() -> str:
    return f"again-{uuid4().hex[:8]}"


def duplicates(services: Services) -> float:
    """How many messages of payment systems billing ignored as known."""
    return counted(
        services.url("billing"),
        "tenure_messages_consumed_total",
        topic=PAYMENTS_EVENTS.name,
        outcome="duplicate",
    )


async def test_the_same_content_is_ignored_and_counted(
    desk: Desk, services: Services, reference: str
) -> None:
    now = await desk.now()
    await desk.subscribe(reference, now)
    await desk.settled()
    before = duplicates(services)
    said = len(desk.recording.messages(subscription_id("online-store", reference)))
    await desk.subscribe(reference, now)
    await desk.subscribe(reference, now)
    await desk.settled()
    assert duplicates(services) == before + 4
    assert len(desk.recording.messages(subscription_id("online-store", reference))) == said
    assert not [e for e in desk.recording.dead_letters if e.subject == reference]


async def test_the_order_of_fields_is_no_other_content(desk: Desk, reference: str) -> None:
    now = await desk.now()
    order = upstream.order(reference, "O-1")
    await desk.tell(reference, "order-placed", now, order, id=f"{reference}-one")
    await desk.tell(
        reference, "order-placed", now, dict(reversed(order.items())), id=f"{reference}-one"
    )
    await desk.settled()
    assert not [e for e in desk.recording.dead_letters if e.subject == reference]


@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "later"])
async def test_other_content_is_a_dead_letter_and_the_first_stands(
    desk: Desk, reference: str, together: bool
) -> None:
    now = await desk.now()
    id = subscription_id("online-store", reference)
    await desk.subscribe(reference, now)
    first = upstream.success(f"{reference}-9", "manual")
    await desk.tell(reference, "payment-succeeded", now, first, id=f"{reference}-one")
    if not together:
        await desk.settled()
    for changed in ({**first, "order_id": f"{reference}-10"}, first):
        place = await desk.tell(
            reference,
            "payment-succeeded",
            now + timedelta(seconds=1),
            changed,
            id=f"{reference}-one",
        )
    await desk.settled()
    letters = [e for e in desk.recording.dead_letters if e.subject == reference]
    assert [e.code for e in letters] == ["conflicting_duplicate"] * 2
    assert [e.message_id for e in letters] == [f"{reference}-one"] * 2
    assert letters[-1].origin.offset == place.offset
    orders = [p.order_id for p in desk.recording.told(id, billing.PaymentSucceeded)]
    assert orders == [f"{reference}-1", f"{reference}-9"]


async def test_the_same_id_of_another_source_is_another_message(desk: Desk, reference: str) -> None:
    now = await desk.now()
    data = upstream.order(reference, "O-1")
    for source in ("/shop/one", "/shop/two"):
        message = upstream.message(reference, "order-placed", now, data, id=f"{reference}-one")
        value = upstream.raw({**message, "source": source})
        await desk.send(PAYMENTS_EVENTS, reference.encode(), value)
    await desk.settled()
    assert not [e for e in desk.recording.dead_letters if e.subject == reference]
    told = desk.recording.told(
        subscription_id("online-store", reference), billing.SubscriptionCreated
    )
    assert len(told) == 1  # an order is placed once


async def test_a_command_is_carried_out_once(desk: Desk, reference: str) -> None:
    now = await desk.now()
    id = subscription_id("online-store", reference)
    await desk.subscribe(reference, now)
    await desk.settled()
    command = ENVELOPES["billing.cancel.v1"](
        specversion="1.0",
        id=str(uuid4()),
        source="/tenure/ops",
        type="billing.cancel.v1",
        subject=str(id),
        time=now,
        providerid="online-store",
        data=commands.Cancel(channel="account"),
    )
    for _ in range(3):
        await desk.send(BILLING_COMMANDS, str(id).encode(), command.to_json())
    await desk.settled()
    (answer,) = desk.recording.caused_by(id, command.id)
    assert isinstance(answer.data, billing.CancellationScheduled)


async def test_a_message_of_exactly_the_limit_is_read(desk: Desk, reference: str) -> None:
    now = await desk.now()
    message = upstream.message(reference, "order-placed", now, upstream.order(reference, "O-1"))
    # Fields of a newer version are none of our business.
    message["data"]["later"] = ""
    message["data"]["later"] = "x" * (LIMIT - len(upstream.raw(message)))
    assert len(upstream.raw(message)) == LIMIT
    await desk.send(PAYMENTS_EVENTS, reference.encode(), upstream.raw(message))
    await desk.settled()
    id = subscription_id("online-store", reference)
    assert desk.recording.told(id, billing.SubscriptionCreated)
