"""Personal data stays out of terminals and logs unless it is asked for."""

from typing import Any

from contracts.base import Data
from contracts.billing import CustomerContact
from contracts.payments import OrderPlaced

HIDDEN = "***"
#: Field names whose text is hidden, however deep.
PERSONAL = frozenset({"name", "email"})


def masked(data: Data) -> Data:
    """A message with the customer's name and address hidden."""
    match data:
        case OrderPlaced():
            customer = data.customer.model_copy(update={"name": HIDDEN, "email": HIDDEN})
            return data.model_copy(update={"customer": customer})
        case CustomerContact():
            return data.model_copy(update={"name": HIDDEN, "email": HIDDEN})
    return data


def masked_json(value: Any) -> Any:
    """Decoded JSON with every `name` and `email` hidden, however deep."""
    if isinstance(value, dict):
        return {
            key: HIDDEN if key in PERSONAL and isinstance(inner, str) else masked_json(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [masked_json(inner) for inner in value]
    return value
