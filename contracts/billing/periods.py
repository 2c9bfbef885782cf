"""Paid periods: the facts that access follows from."""

from typing import ClassVar, Literal
from uuid import UUID

from contracts.base import Frozen
from contracts.billing.event import BillingEvent, Ordinal
from contracts.values import Instant, Money, PaymentKind, Plan, Ref

Basis = Literal["from_end", "from_now", "given"]


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
    """What a refund or chargeback does to a paid period; bounds are those it had.

    Voided or revoked with `corrects`: from `effective_at` on, what was told before of what took it or
    gave it back never was; what does count after all is told again.
    """

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
    """A period moved: by a pause, by a goodwill extension, or by a fact that came before it but arrived late."""

    TYPE: ClassVar[str] = "billing.period-shifted.v1"
    period_id: UUID
    old: PeriodBounds
    new: PeriodBounds
    reason: Literal["pause", "goodwill", "reordered"]
