"""Money as billing tells it: payments, refunds, disputes."""

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from contracts.billing.event import BillingEvent
from contracts.values import (
    Code,
    Instant,
    Money,
    PaymentKind,
    Ref,
    Text,
)

RefundEffect = Literal["none", "current_revoked", "upcoming_voided"]


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


class RefundOverdue(RefundEvent):
    """The money should be back by now and nobody confirmed it: an operator should ask (S-45)."""

    TYPE: ClassVar[str] = "billing.refund-overdue.v1"


class DisputeEvent(BillingEvent):
    """One step of a dispute at the customer's bank; `period_id` is the paid period it is about."""

    dispute_id: Ref
    order_id: Ref
    amount: Money
    period_id: UUID | None = None


class DisputeOpened(DisputeEvent):
    """The customer's bank asks for the money back; nothing is charged while it is open (Q16)."""

    TYPE: ClassVar[str] = "billing.dispute-opened.v1"


class DisputeWon(DisputeEvent):
    """The money stays."""

    TYPE: ClassVar[str] = "billing.dispute-won.v1"


class DisputeLost(DisputeEvent):
    """The money is gone; what it bought is taken away with the reason chargeback (T22)."""

    TYPE: ClassVar[str] = "billing.dispute-lost.v1"
