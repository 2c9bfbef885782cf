"""Small shared values: identities, money, terms, bounded text and instants."""

from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID, uuid5

import iso4217
from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints

from contracts.base import Frozen

#: Root of every identity that Tenure derives; changing it changes every subscription id.
TENURE = UUID("6f1d5c1e-3b57-5c0e-9c55-7e1d0a2b4c3d")

_CURRENCIES = frozenset(currency.code for currency in iso4217.Currency)


def _in_utc(value: datetime) -> datetime:
    if not 2000 <= value.year < 2200:
        raise ValueError("must lie between the years 2000 and 2200")
    return value.astimezone(UTC)


def _known_currency(value: str) -> str:
    if value not in _CURRENCIES:
        raise ValueError("must be an ISO 4217 currency code such as EUR")
    return value


#: An aware instant between 2000 and 2200, kept in UTC.
Instant = Annotated[AwareDatetime, AfterValidator(_in_utc)]
#: One line of text without control characters, 1 to 200 characters.
Text = Annotated[
    str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")
]
#: An identifier given by somebody else: printable, no spaces, 1 to 128 characters.
Ref = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[!-~]+$")]
#: A stable upper-case code that programs may compare, such as ORDER_UNKNOWN.
Code = Annotated[str, StringConstraints(max_length=64, pattern=r"^[A-Z][A-Z0-9_]*$")]
#: How long one payment lasts: an ISO 8601 duration in one unit, or `unlimited`.
Term = Annotated[str, StringConstraints(pattern=r"^(P[1-9][0-9]{0,3}[YMWD]|unlimited)$")]
#: An ISO 4217 currency code.
CurrencyCode = Annotated[str, AfterValidator(_known_currency)]
#: Hexadecimal HMAC-SHA256 of a normalised name or e-mail address.
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]

PaymentKind = Literal["initial", "renewal", "manual", "prepayment"]
ProductType = Literal["update", "update-and-protection"]
Channel = Literal["account", "support", "provider"]


class Money(Frozen):
    """An amount in minor units (cents) of one currency; never negative, never a float."""

    minor: Annotated[int, Field(ge=0, le=10**15)]
    currency: CurrencyCode


class Plan(Frozen):
    """What is sold: product, what degrades when unpaid (`product_type`, S-06), term and seats."""

    product_id: Ref
    product_type: ProductType
    term: Term
    seats: Annotated[int, Field(ge=1, le=100_000)]


class Interval(Frozen):
    """A half-open span of time; without `end` it is open."""

    start: Instant
    end: Instant | None = None


def subscription_id(provider_id: str, reference: str) -> UUID:
    """The identity of the subscription that a provider calls `reference`."""
    return uuid5(TENURE, f"{provider_id}\n{reference}")


def customer_id(provider_id: str, customer_ref: str) -> UUID:
    """The identity of the customer that a provider calls `customer_ref`."""
    return uuid5(TENURE, f"{provider_id}\n{customer_ref}")


def period_id(subscription: UUID, order_id: str) -> UUID:
    """The identity of the paid period that the payment `order_id` bought."""
    return uuid5(subscription, order_id)
