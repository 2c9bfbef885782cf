"""Messages to and from upstream payment systems: topics `payments.events` and `payments.requests`."""

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field, StringConstraints

from contracts.base import Data, Frozen
from contracts.values import (
    Channel,
    Instant,
    Interval,
    Money,
    PauseMode,
    PaymentKind,
    Plan,
    Ref,
    Seats,
    Term,
    Text,
    WithdrawalReason,
)

#: An address with one @ and no character that a mail header could take for something else.
Email = Annotated[
    str,
    StringConstraints(
        max_length=254, pattern=r'^[^\s@<>,;:"()\[\]\\=?\x00-\x1f\x7f]+@[A-Za-z0-9.-]+$'
    ),
]
#: A BCP 47 language tag such as `en` or `de-AT`.
Locale = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*$")]
#: An IANA time zone name such as Europe/Berlin.
TimeZone = Annotated[str, StringConstraints(max_length=64, pattern=r"^[A-Za-z][A-Za-z0-9_+/-]*$")]
#: A country by its ISO 3166-1 alpha-2 code such as DE.
Region = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]


class Customer(Frozen):
    """Who ordered; personal data that billing passes on to `customers.contacts` only."""

    customer_ref: Ref
    name: Text
    email: Email
    locale: Locale
    region: Region | None = None
    time_zone: TimeZone | None = None


class OrderPlaced(Data):
    """A customer ordered a subscription; it entitles to nothing until the initial payment succeeded."""

    TYPE: ClassVar[str] = "payments.order-placed.v1"
    order_id: Ref
    customer: Customer
    plan: Plan
    amount: Money
    auto_renew: bool
    billing_tz: TimeZone | None = None


class PaymentSucceeded(Data):
    """Money for one order arrived; a renewal brings a new order_id and the charge_id it answers."""

    TYPE: ClassVar[str] = "payments.payment-succeeded.v1"
    order_id: Ref
    kind: PaymentKind
    amount: Money
    period: Interval | None = None
    charge_id: UUID | None = None


class PaymentFailed(Data):
    """An attempt to take money failed; the payment system may try again at `next_attempt_at`."""

    TYPE: ClassVar[str] = "payments.payment-failed.v1"
    order_id: Ref
    kind: PaymentKind
    amount: Money
    charge_id: UUID | None = None
    attempt: Annotated[int, Field(ge=1, le=1000)]
    hard_decline: bool
    next_attempt_at: Instant | None = None
    reason: Text


class RefundSucceeded(Data):
    """Money of one order went back to the customer, on our request (refund_id) or by the provider alone."""

    TYPE: ClassVar[str] = "payments.refund-succeeded.v1"
    order_id: Ref
    amount: Money
    full: bool
    refund_id: UUID | None = None
    requested_at: Instant | None = None
    reason: Text | None = None


class RefundFailed(Data):
    """A refund that we requested could not be carried out."""

    TYPE: ClassVar[str] = "payments.refund-failed.v1"
    order_id: Ref
    refund_id: UUID
    reason: Text


class CancellationRequested(Data):
    """The customer switched automatic renewal off at the provider."""

    TYPE: ClassVar[str] = "payments.cancellation-requested.v1"
    channel: Channel
    reason: Text | None = None


class CancellationWithdrawn(Data):
    """The customer switched automatic renewal on again at the provider."""

    TYPE: ClassVar[str] = "payments.cancellation-withdrawn.v1"
    channel: Channel


class DisputeEvent(Data):
    """The customer's bank asks for the money of one order back."""

    order_id: Ref
    dispute_id: Ref
    amount: Money
    reason: Text | None = None


class DisputeOpened(DisputeEvent):
    """A dispute was opened; it is decided later."""

    TYPE: ClassVar[str] = "payments.dispute-opened.v1"


class DisputeWon(DisputeEvent):
    """The dispute was decided: the money stays."""

    TYPE: ClassVar[str] = "payments.dispute-won.v1"


class DisputeLost(DisputeEvent):
    """The dispute was decided: the money is gone (chargeback)."""

    TYPE: ClassVar[str] = "payments.dispute-lost.v1"


class PauseRequested(Data):
    """The customer asked the provider for a pause; without `mode` the provider's usual one."""

    TYPE: ClassVar[str] = "payments.pause-requested.v1"
    mode: PauseMode | None = None
    resumes_at: Instant | None = None


class ResumeRequested(Data):
    """The customer asked the provider to end the pause."""

    TYPE: ClassVar[str] = "payments.resume-requested.v1"


class SettingsChanged(Data):
    """The customer changed settings at the provider; `amount`: what renewals cost from then on."""

    TYPE: ClassVar[str] = "payments.settings-changed.v1"
    seats: Seats | None = None
    term: Term | None = None
    product_id: Ref | None = None
    amount: Money | None = None


class ChargeRequested(Data):
    """Please charge the customer for the next period; answer with the charge_id, retry until charge_by."""

    TYPE: ClassVar[str] = "payments.charge-requested.v1"
    charge_id: UUID
    subscription_id: UUID
    renews: UUID
    period: Interval
    amount: Money
    charge_by: Instant


class ChargeWithdrawn(Data):
    """Please do not charge for this charge_id any more."""

    TYPE: ClassVar[str] = "payments.charge-withdrawn.v1"
    charge_id: UUID
    subscription_id: UUID
    reason: WithdrawalReason


class RefundRequested(Data):
    """Please pay this order back; answer with the refund_id, which makes a repetition harmless."""

    TYPE: ClassVar[str] = "payments.refund-requested.v1"
    refund_id: UUID
    case_id: UUID
    order_id: Ref
    amount: Money
    full: bool
    requested_at: Instant


FROM_UPSTREAM: tuple[type[Data], ...] = (
    OrderPlaced,
    PaymentSucceeded,
    PaymentFailed,
    RefundSucceeded,
    RefundFailed,
    CancellationRequested,
    CancellationWithdrawn,
    DisputeOpened,
    DisputeWon,
    DisputeLost,
    PauseRequested,
    ResumeRequested,
    SettingsChanged,
)
TO_UPSTREAM: tuple[type[Data], ...] = (ChargeRequested, ChargeWithdrawn, RefundRequested)
