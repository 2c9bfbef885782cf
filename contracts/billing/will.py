"""The customer's will: orders, cancellations, pauses, settings, and commands that were refused."""

from typing import ClassVar
from uuid import UUID

from contracts.base import Frozen
from contracts.billing.event import BillingEvent
from contracts.values import (
    Channel,
    Code,
    Instant,
    Money,
    PauseMode,
    Plan,
    Ref,
    Seats,
    Term,
    Text,
    Url,
)


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


class CancellationPendingAtProvider(BillingEvent):
    """The customer was passed on to the provider's page to cancel; nothing has changed yet (S-59)."""

    TYPE: ClassVar[str] = "billing.cancellation-pending-at-provider.v1"
    channel: Channel
    link: Url
    expected_by: Instant


class CancellationOverdueAtProvider(BillingEvent):
    """The provider never confirmed a cancellation that was begun: an operator should ask (S-59)."""

    TYPE: ClassVar[str] = "billing.cancellation-overdue-at-provider.v1"
    link: Url
    pending_since: Instant


class PauseEvent(BillingEvent):
    """One step of a pause; its id is the fact_id of the request that was granted."""

    pause_id: UUID


class PauseScheduled(PauseEvent):
    """The subscription will pause at the end of its current period, `starts_at` (T24)."""

    TYPE: ClassVar[str] = "billing.pause-scheduled.v1"
    mode: PauseMode
    channel: Channel
    #: The period at whose end, `starts_at`, it begins; it moves with that.
    follows: UUID
    starts_at: Instant
    resumes_at: Instant


class PauseStarted(PauseEvent):
    """The subscription pauses from `effective_at`; it resumes by itself at `resumes_at` (T23)."""

    TYPE: ClassVar[str] = "billing.pause-started.v1"
    mode: PauseMode
    channel: Channel
    resumes_at: Instant


class PauseEnded(PauseEvent):
    """The pause is over from `effective_at`, at its planned end or earlier; it may not have begun (T25)."""

    TYPE: ClassVar[str] = "billing.pause-ended.v1"


class SettingsChanged(BillingEvent):
    """Settings are others from `effective_at`; only what changed has a field, `amount` is the renewal's (S-01)."""

    TYPE: ClassVar[str] = "billing.settings-changed.v1"
    seats: Seats | None = None
    term: Term | None = None
    product_id: Ref | None = None
    amount: Money | None = None


class CommandRefused(BillingEvent):
    """A command made no sense in the state; nothing changed."""

    TYPE: ClassVar[str] = "billing.command-refused.v1"
    command: Text
    code: Code
    sentence: Text
    case_id: UUID | None = None
    available_from: Instant | None = None
    link: Url | None = None
