"""What a payment system publishes for one subscription, as lines of JSON."""

import json
from datetime import datetime, timedelta
from typing import Any

NAME, EMAIL = "Ann Lee", "ann@example.com"


def message(type: str, reference: str, id: str, time: datetime, data: dict[str, Any]) -> str:
    """One message of an upstream payment system."""
    return json.dumps(
        {
            "specversion": "1.0",
            "id": f"{reference}-{id}",
            "source": "/shop",
            "type": type,
            "subject": reference,
            "time": time.isoformat(),
            "providerid": "online-store",
            "data": data,
        }
    )


def order(reference: str, at: datetime, *, term: str = "P1Y") -> str:
    """An order of one subscription."""
    return message(
        "payments.order-placed.v1",
        reference,
        "order",
        at,
        {
            "order_id": f"O-{reference}",
            "customer": {
                "customer_ref": f"C-{reference}",
                "name": NAME,
                "email": EMAIL,
                "locale": "en",
            },
            "plan": {
                "product_id": "antivirus",
                "product_type": "update-and-protection",
                "term": term,
                "seats": 3,
            },
            "amount": {"minor": 4999, "currency": "EUR"},
            "auto_renew": True,
        },
    )


def payment(reference: str, at: datetime) -> str:
    """Its initial payment."""
    data = {
        "order_id": f"O-{reference}",
        "kind": "initial",
        "amount": {"minor": 4999, "currency": "EUR"},
    }
    return message("payments.payment-succeeded.v1", reference, "paid", at, data)


def paid_order(reference: str, at: datetime) -> str:
    """An order that was paid at an instant, a second after it was placed."""
    return f"{order(reference, at - timedelta(seconds=1))}\n{payment(reference, at)}\n"
