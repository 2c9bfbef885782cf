"""The latest contact of a customer, the only message of ours with personal data."""

from typing import ClassVar
from uuid import UUID

from contracts.base import Data
from contracts.values import (
    Ref,
    Text,
)


class CustomerContact(Data):
    """The latest contact of a customer; compacted by customer_id on `customers.contacts`."""

    TYPE: ClassVar[str] = "billing.customer-contact.v1"
    customer_id: UUID
    name: Text
    email: Text
    locale: Ref
    time_zone: Ref | None = None
    region: Ref | None = None
