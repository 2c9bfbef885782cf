"""What time brings: reminders, expiry notices, charges, and what is overdue."""

from typing import ClassVar, Literal
from uuid import UUID

from contracts.billing.event import BillingEvent
from contracts.values import Instant, Money, Plan, WithdrawalReason


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
    reason: WithdrawalReason


class ReminderWaived(BillingEvent):
    """The charge goes out without a proven reminder, with the reason (Q18, Q19)."""

    TYPE: ClassVar[str] = "billing.reminder-waived.v1"
    renews: UUID
    reason: Literal["short_term", "unproven"]
