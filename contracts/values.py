"""Small shared values: identities, money, terms, bounded text and instants."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID, uuid5

import iso4217
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Field,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from contracts.base import Frozen

#: Root of every identity that Tenure derives; changing it changes every subscription id.
TENURE = UUID("6f1d5c1e-3b57-5c0e-9c55-7e1d0a2b4c3d")

# A code without a minor unit, such as XXX or XAU, is nothing that anybody pays in.
_CURRENCIES = frozenset(c.code for c in iso4217.Currency if c.exponent is not None)
_FIRST, _END = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


# Pydantic alone would also take the text "1741600000" for seconds and "1741600000000" for ms.
_RFC_3339 = (
    r"^2[01][0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    r"T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?"
    r"(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
)
_is_rfc_3339 = re.compile(_RFC_3339).fullmatch


def _in_utc(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, str) and info.mode == "json":
        if not _is_rfc_3339(value):
            raise ValueError("must be a time from 2000 to 2199 such as 2025-01-31T10:00:00Z")
        value = datetime.fromisoformat(value)
    if not isinstance(value, datetime) or value.tzinfo is None:
        return value
    if not _FIRST <= value < _END:
        raise ValueError("must lie between the years 2000 and 2200")
    return value if value.tzinfo is UTC else value.astimezone(UTC)


def _known_currency(value: str) -> str:
    if value not in _CURRENCIES:
        raise ValueError("must be an ISO 4217 currency code such as EUR")
    return value


#: An aware instant between 2000 and 2200, kept in UTC; in JSON as RFC 3339 writes it.
Instant = Annotated[
    AwareDatetime,
    BeforeValidator(_in_utc),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": _RFC_3339}),
]
#: One line of text, 1 to 200 characters, none of them a control, line break or change of direction.
Text = Annotated[
    str,
    StringConstraints(
        min_length=1,
        max_length=200,
        pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]*$",
    ),
]
#: An https address; long enough for any pack's link with any reference in it.
Url = Annotated[str, StringConstraints(max_length=2000, pattern=r"^https://[!-~]+$")]
#: An identifier given by somebody else: printable, no spaces, 1 to 128 characters.
Ref = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[!-~]+$")]
#: A stable upper-case code that programs may compare, such as ORDER_UNKNOWN.
Code = Annotated[str, StringConstraints(max_length=64, pattern=r"^[A-Z][A-Z0-9_]*$")]
#: How long one payment lasts: an ISO 8601 duration in one unit, or `unlimited`.
Term = Annotated[str, StringConstraints(pattern=r"^(P[1-9][0-9]{0,3}[YMWD]|unlimited)$")]
#: An ISO 4217 currency code; its schema is looser, because the list of currencies changes.
CurrencyCode = Annotated[
    str,
    AfterValidator(_known_currency),
    WithJsonSchema({"type": "string", "pattern": "^[A-Z]{3}$", "description": "ISO 4217 code"}),
]
#: Hexadecimal HMAC-SHA256 of a normalised name or e-mail address.
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]

PaymentKind = Literal["initial", "renewal", "manual", "prepayment"]
ProductType = Literal["update", "update-and-protection"]
Channel = Literal["account", "support", "provider"]
#: What a pause does to paid time: bank the rest, let it run, or wait for the period's end (Q17).
PauseMode = Literal["freeze_term", "run_term", "at_period_end"]
#: Why a charge that was asked for is not wanted any more (Q4).
WithdrawalReason = Literal["canceled", "paid_otherwise", "refunded", "dispute", "paused", "ended"]
Seats = Annotated[int, Field(ge=1, le=100_000)]


class Money(Frozen):
    """An amount in minor units (cents) of one currency; never negative, never a float."""

    minor: Annotated[int, Field(ge=0, le=10**15)]
    currency: CurrencyCode


class Plan(Frozen):
    """What is sold: product, what degrades when unpaid (`product_type`, S-06), term and seats."""

    product_id: Ref
    product_type: ProductType
    term: Term
    seats: Seats


class Interval(Frozen):
    """A half-open span of time; without `end` it is open, otherwise `end` lies after `start`."""

    start: Instant
    end: Instant | None = None

    @model_validator(mode="after")
    def _end_after_start(self) -> Self:
        if self.end is not None and self.end <= self.start:
            raise ValueError("end must lie after start")
        return self


def subscription_id(provider_id: str, reference: str) -> UUID:
    """The identity of the subscription that a provider calls `reference`."""
    return uuid5(TENURE, f"{provider_id}\n{reference}")


def customer_id(provider_id: str, customer_ref: str) -> UUID:
    """The identity of the customer that a provider calls `customer_ref`."""
    return uuid5(TENURE, f"{provider_id}\n{customer_ref}")


def period_id(subscription: UUID, order_id: str) -> UUID:
    """The identity of the paid period that the payment `order_id` bought."""
    return uuid5(subscription, order_id)
