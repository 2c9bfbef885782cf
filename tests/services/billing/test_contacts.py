"""Billing numbers the customers' contacts: the latest order wins, whatever arrives last."""

from datetime import timedelta
from uuid import uuid4

from contracts import billing
from contracts.values import customer_id
from tests.support import upstream
from tests.support.desk import Desk


async def test_the_contact_of_the_latest_order_wins(desk: Desk) -> None:
    now = await desk.now()
    customer = f"C-{uuid4().hex[:8]}"
    for days, name in ((2, "first told"), (1, "latest"), (3, "oldest")):
        reference = f"contact-{uuid4().hex[:8]}"
        order = upstream.order(reference, "O-1", customer_ref=customer)
        order["customer"]["name"] = name
        await desk.tell(reference, "order-placed", now - timedelta(days=days), order)
        await desk.settled()
    told = desk.recording.messages(customer_id("online-store", customer))
    contacts = [
        (m.sequence, m.data.name) for m in told if isinstance(m.data, billing.CustomerContact)
    ]
    assert contacts == [(1, "first told"), (2, "latest")]


async def test_one_batch_of_orders_of_one_customer_tells_the_latest(desk: Desk) -> None:
    now = await desk.now()
    customer = f"C-{uuid4().hex[:8]}"
    for number in range(4):
        reference = f"contact-{uuid4().hex[:8]}"
        order = upstream.order(reference, "O-1", customer_ref=customer)
        order["customer"]["name"] = f"name {number}"
        await desk.tell(reference, "order-placed", now - timedelta(hours=10 - number), order)
    await desk.settled()
    told = desk.recording.told(customer_id("online-store", customer), billing.CustomerContact)
    assert told[-1].name == "name 3"
