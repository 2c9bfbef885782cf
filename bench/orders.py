"""Paid orders as an upstream payment system publishes them, encoded before the clock starts."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from contracts.catalogue import ENVELOPES
from contracts.payments import Customer, OrderPlaced, PaymentSucceeded
from contracts.values import Money, Plan, customer_id, subscription_id

PROVIDER = "online-store"
_PLAN = Plan(
    product_id="internet-security", product_type="update-and-protection", term="P1Y", seats=3
)
_PRICE = Money(minor=4999, currency="EUR")


@dataclass(frozen=True, slots=True)
class PaidOrder:
    """An order and its payment: two records under the provider's own reference."""

    subscription_id: str
    customer_id: str
    reference: bytes
    order: bytes
    payment: bytes


def paid_orders(count: int, label: str) -> list[PaidOrder]:
    """`count` first orders of different customers; `label` keeps them apart from other runs'."""
    return list(_paid_orders(count, label))


def _paid_orders(count: int, label: str) -> Iterator[PaidOrder]:
    now = datetime.now(UTC) - timedelta(minutes=1)
    for number in range(count):
        reference = f"R-{label}-{number:06d}"
        order_id, customer_ref = f"O-{label}-{number:06d}", f"C-{label}-{number:06d}"
        customer = Customer(
            customer_ref=customer_ref,
            name="Ann Lee",
            email=f"{customer_ref.lower()}@example.com",
            locale="en",
            region="DE",
            time_zone="Europe/Berlin",
        )
        order = OrderPlaced(
            order_id=order_id,
            customer=customer,
            plan=_PLAN,
            amount=_PRICE,
            auto_renew=True,
            billing_tz="Europe/Berlin",
        )
        payment = PaymentSucceeded(order_id=order_id, kind="initial", amount=_PRICE)
        yield PaidOrder(
            str(subscription_id(PROVIDER, reference)),
            str(customer_id(PROVIDER, customer_ref)),
            reference.encode(),
            _message(reference, f"{order_id}-placed", order, now),
            _message(reference, f"{order_id}-paid", payment, now + timedelta(seconds=1)),
        )


def _message(
    reference: str, id: str, data: OrderPlaced | PaymentSucceeded, time: datetime
) -> bytes:
    return ENVELOPES[data.TYPE](
        specversion="1.0",
        id=id,
        source=f"/{PROVIDER}/payments",
        type=data.TYPE,
        subject=reference,
        time=time,
        datacontenttype="application/json",
        dataschema=f"urn:tenure:{data.TYPE}",
        providerid=PROVIDER,
        data=data,
    ).to_json()
