"""What billing tells: payments, paid periods, refunds, the customer's will, renewals. Topic `billing.events`."""

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from contracts.base import Data, Frozen
from contracts.values import Channel, Code, Instant, Money, PaymentKind, Plan, Ref, Text

Basis = Literal["from_end", "from_now", "given"]
RefundEffect = Literal["none", "current_revoked", "upcoming_voided"]
Ordinal = Annotated[int, Field(ge=1)]


class BillingEvent(Data):
    """A fact as billing tells it: which fact, since when it counts, which earlier events it corrects."""

    fact_id: UUID
    effective_at: Instant
    corrects: tuple[UUID, ...] | None = None


class PaymentSucceeded(BillingEvent):
    """A payment was accepted; `period_id` is the paid period that it bought."""

    TYPE: ClassVar[str] = "billing.payment-succeeded.v1"
    order_id: Ref
    kind: PaymentKind
    amount: Money
    charge_id: UUID | None = None
    period_id: UUID | None = None


class PaymentFailed(BillingEvent):
    """An attempt to take money failed; `period_id` is the period that it would have renewed."""

    TYPE: ClassVar[str] = "billing.payment-failed.v1"
    order_id: Ref
    kind: PaymentKind
    amount: Money
    charge_id: UUID | None = None
    period_id: UUID | None = None
    attempt: Annotated[int, Field(ge=1)]
    hard_decline: bool
    next_attempt_at: Instant | None = None
    reason: Text


class PaymentRefused(BillingEvent):
    """A payment buys nothing, with the reason; money that must go back is requested as a refund."""

    TYPE: ClassVar[str] = "billing.payment-refused.v1"
    code: Code
    order_id: Ref
    amount: Money


class RefundEvent(BillingEvent):
    """One step of a refund case (S-44): requested, under review, approved or declined, initiated, settled or failed."""

    case_id: UUID
    order_id: Ref
    amount: Money
    full: bool
    requested_at: Instant
    effect: RefundEffect = "none"
    refund_id: UUID | None = None
    period_id: UUID | None = None
    access_until: Instant | None = None
    expected_credit_by: Instant | None = None


class RefundRequested(RefundEvent):
    """A refund case was opened."""

    TYPE: ClassVar[str] = "billing.refund-requested.v1"


class RefundUnderReview(RefundEvent):
    """The case waits for an operator; `effect` is what approving would do."""

    TYPE: ClassVar[str] = "billing.refund-under-review.v1"


class RefundApproved(RefundEvent):
    """An operator, or a rule that needs none, confirmed the case."""

    TYPE: ClassVar[str] = "billing.refund-approved.v1"


class RefundDeclined(RefundEvent):
    """The case was closed without a refund; `code` does not tell which detail was wrong (S-43)."""

    TYPE: ClassVar[str] = "billing.refund-declined.v1"
    code: Code


class RefundInitiated(RefundEvent):
    """The payment system was asked to pay back; the effect counts from here (S-46)."""

    TYPE: ClassVar[str] = "billing.refund-initiated.v1"


class RefundSettled(RefundEvent):
    """The money went back."""

    TYPE: ClassVar[str] = "billing.refund-settled.v1"


class RefundFailed(RefundEvent):
    """The money did not go back; what the refund took away is reinstated."""

    TYPE: ClassVar[str] = "billing.refund-failed.v1"


class PeriodScheduled(BillingEvent):
    """A paid period exists; it may lie ahead (S-35)."""

    TYPE: ClassVar[str] = "billing.period-scheduled.v1"
    period_id: UUID
    ordinal: Ordinal
    order_id: Ref
    kind: PaymentKind
    amount: Money
    ordered_at: Instant
    start: Instant
    end: Instant | None = None
    basis: Basis
    plan: Plan
    provider_id: Ref
    policy_version: Ref
    refund_until: Instant | None = None


class PeriodEnding(BillingEvent):
    """What a refund or chargeback does to a paid period; bounds are those it had."""

    period_id: UUID
    ordinal: Ordinal
    order_id: Ref
    start: Instant
    end: Instant | None = None
    requested_at: Instant | None = None
    reason: Literal["refunded", "refunded_renewal", "chargeback"]
    case_id: UUID | None = None
    auto_renew: bool


class PeriodVoided(PeriodEnding):
    """A period that had not begun will not start (S-48)."""

    TYPE: ClassVar[str] = "billing.period-voided.v1"


class PeriodRevoked(PeriodEnding):
    """A period that had begun ends at `effective_at` (S-47)."""

    TYPE: ClassVar[str] = "billing.period-revoked.v1"


class PeriodReinstated(PeriodEnding):
    """A voided or revoked period counts again from `effective_at`, because its refund failed (Q11)."""

    TYPE: ClassVar[str] = "billing.period-reinstated.v1"


class PeriodBounds(Frozen):
    """Where a period lies."""

    ordinal: Ordinal
    start: Instant
    end: Instant | None = None


class PeriodShifted(BillingEvent):
    """A period moved, because a fact that arrived late came before it in time."""

    TYPE: ClassVar[str] = "billing.period-shifted.v1"
    period_id: UUID
    old: PeriodBounds
    new: PeriodBounds
    reason: Literal["reordered"]


class SubscriptionCreated(BillingEvent):
    """A first order was placed."""

    TYPE: ClassVar[str] = "billing.subscription-created.v1"
    provider_id: Ref
    reference: Ref
    customer_id: UUID
    plan: Plan
    amount: Money
    auto_renew: bool
    billing_tz: Ref
    policy_version: Ref


class SubscriptionIncompleteExpired(BillingEvent):
    """The initial payment did not come in time (T3)."""

    TYPE: ClassVar[str] = "billing.subscription-incomplete-expired.v1"


class Refundable(Frozen):
    """The latest order that can still be paid back, and until when to ask (S-41)."""

    order_id: Ref
    until: Instant


class CancellationScheduled(BillingEvent):
    """Automatic renewal is off; access lasts to `cancel_at`, the end of the last paid period (S-37)."""

    TYPE: ClassVar[str] = "billing.cancellation-scheduled.v1"
    cancellation_id: UUID
    cancel_at: Instant | None = None
    channel: Channel
    reason: Text | None = None
    refundable: Refundable | None = None


class CancellationDateChanged(BillingEvent):
    """The end named by a cancellation moved, because a payment or refund crossed it (Q15)."""

    TYPE: ClassVar[str] = "billing.cancellation-date-changed.v1"
    cancellation_id: UUID
    old: Instant | None = None
    new: Instant | None = None


class CancellationWithdrawn(BillingEvent):
    """Automatic renewal is on again."""

    TYPE: ClassVar[str] = "billing.cancellation-withdrawn.v1"
    cancellation_id: UUID


class CommandRefused(BillingEvent):
    """A command made no sense in the state; nothing changed."""

    TYPE: ClassVar[str] = "billing.command-refused.v1"
    command: Text
    code: Code
    sentence: Text
    case_id: UUID | None = None
    available_from: Instant | None = None
    link: Text | None = None


class RenewalReminderDue(BillingEvent):
    """Tell the customer the renewal conditions, with the management link (S-52)."""

    TYPE: ClassVar[str] = "billing.renewal-reminder-due.v1"
    renews: UUID
    end: Instant
    plan: Plan
    amount: Money
    auto_charge: bool
    charge_on: Instant | None = None


class ReminderRetracted(BillingEvent):
    """The announced reminder is not wanted any more, or its end moved."""

    TYPE: ClassVar[str] = "billing.reminder-retracted.v1"
    renews: UUID
    end: Instant


class ExpiryNoticeDue(BillingEvent):
    """Tell the customer that access will end and how to renew (Q20)."""

    TYPE: ClassVar[str] = "billing.expiry-notice-due.v1"
    renews: UUID
    end: Instant


class RenewalChargeRequested(BillingEvent):
    """The payment system was asked to charge for the next period; once per period renewed (Q4)."""

    TYPE: ClassVar[str] = "billing.renewal-charge-requested.v1"
    charge_id: UUID
    renews: UUID


class RenewalChargeWithdrawn(BillingEvent):
    """The charge is not wanted any more."""

    TYPE: ClassVar[str] = "billing.renewal-charge-withdrawn.v1"
    charge_id: UUID
    renews: UUID
    reason: Literal["canceled", "paid_otherwise", "refunded", "dispute", "ended"]


class ReminderWaived(BillingEvent):
    """The charge goes out without a proven reminder, with the reason (Q18, Q19)."""

    TYPE: ClassVar[str] = "billing.reminder-waived.v1"
    renews: UUID
    reason: Literal["short_term", "unproven"]


EVENTS: tuple[type[Data], ...] = (
    PaymentSucceeded,
    PaymentFailed,
    PaymentRefused,
    RefundRequested,
    RefundUnderReview,
    RefundApproved,
    RefundDeclined,
    RefundInitiated,
    RefundSettled,
    RefundFailed,
    PeriodScheduled,
    PeriodVoided,
    PeriodRevoked,
    PeriodReinstated,
    PeriodShifted,
    SubscriptionCreated,
    SubscriptionIncompleteExpired,
    CancellationScheduled,
    CancellationDateChanged,
    CancellationWithdrawn,
    CommandRefused,
    RenewalReminderDue,
    ReminderRetracted,
    ExpiryNoticeDue,
    RenewalChargeRequested,
    RenewalChargeWithdrawn,
    ReminderWaived,
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


CONTACTS: tuple[type[Data], ...] = (CustomerContact,)
