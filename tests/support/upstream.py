"""What a payment system publishes: plain CloudEvents, made of nothing but the published schemas."""

import json
from datetime import datetime
from typing import Any

from devstack.behaviour import event, instant

PRICE = {"minor": 4999, "currency": "EUR"}
#: A name and a host that must appear nowhere but where personal data may stand.
NAME, HOST = "Wilhelmina Kanarienvogel", "kanarienvogel.example"


def address(reference: str) -> str:
    """The mail address of the customer with this reference."""
    return f"{reference.lower()}@{HOST}"


def order(
    reference: str, order_id: str, *, product_type: str = "update-and-protection", **changes: Any
) -> dict[str, Any]:
    """The data of an order of one year with automatic renewal."""
    plan = {
        "product_id": "internet-security",
        "product_type": product_type,
        "term": changes.pop("term", "P1Y"),
        "seats": 3,
    }
    customer = {
        "customer_ref": changes.pop("customer_ref", f"C-{reference}"),
        "name": NAME,
        "email": address(reference),
        "locale": "en",
    }
    usual = {"order_id": order_id, "customer": customer, "plan": plan, "amount": PRICE}
    return {**usual, "auto_renew": True, **changes}


def success(order_id: str, kind: str = "initial", **changes: Any) -> dict[str, Any]:
    """The data of a payment that succeeded."""
    return {"order_id": order_id, "kind": kind, "amount": PRICE, **changes}


def failure(order_id: str, charge_id: str, retry_at: datetime | None) -> dict[str, Any]:
    """The data of a renewal charge that failed; without another attempt it failed for good."""
    found = {
        **success(order_id, "renewal"),
        "charge_id": charge_id,
        "attempt": 1 if retry_at else 2,
        "hard_decline": retry_at is None,
        "reason": "card declined",
    }
    return found | ({"next_attempt_at": instant(retry_at)} if retry_at else {})


def message(
    reference: str,
    type: str,
    at: datetime,
    data: dict[str, Any],
    *,
    id: str | None = None,
    provider: str = "online-store",
) -> dict[str, Any]:
    """An event of a payment system; its id follows from its content unless it is given."""
    name = id or f"{reference} {type} {instant(at)} {data.get('order_id', '')}".replace(" ", "/")
    return event(provider, reference, name, f"payments.{type}.v1", at, data)


def raw(content: Any) -> bytes:
    """The Kafka value."""
    return json.dumps(content, separators=(",", ":")).encode()
