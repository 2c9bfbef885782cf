"""What licensing tells: access over time and entitlements. Topics `licensing.events`, `licensing.entitlements`."""

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from contracts.base import Data, Frozen
from contracts.values import Instant, ProductType, Ref, Seats

ExpiryReason = Literal[
    "lapsed", "payment_failed", "canceled", "refunded", "refunded_renewal", "chargeback"
]
EntitlementState = Literal[
    "pending", "active", "grace", "limited", "suspended", "expired", "revoked"
]


class Capabilities(Frozen):
    """What works on the device at the instant (S-07, 3b)."""

    database_updates: bool
    cloud_reputation: bool
    protection: bool
    scan: bool


class LicensingEvent(Data):
    """A change of access: `effective_at` is its anchor, `derived_at` when licensing saw it."""

    effective_at: Instant
    derived_at: Instant
    paid_through: Instant | None = None
    policy_version: Ref
    fact_id: UUID
    corrects: tuple[UUID, ...] | None = None


class PeriodStarted(LicensingEvent):
    """A paid period became the current one."""

    TYPE: ClassVar[str] = "licensing.period-started.v1"
    period_id: UUID


class PeriodEnded(LicensingEvent):
    """A paid period is over."""

    TYPE: ClassVar[str] = "licensing.period-ended.v1"
    period_id: UUID


class SubscriptionRenewed(LicensingEvent):
    """The next paid period followed without a gap (T8)."""

    TYPE: ClassVar[str] = "licensing.subscription-renewed.v1"
    period_id: UUID


class GraceStarted(LicensingEvent):
    """Unpaid past the end, with unchanged functionality until `ends_at` (S-12, S-13)."""

    TYPE: ClassVar[str] = "licensing.grace-started.v1"
    period_id: UUID
    ends_at: Instant


class GraceEnded(LicensingEvent):
    """The grace period passed unpaid."""

    TYPE: ClassVar[str] = "licensing.grace-ended.v1"
    period_id: UUID


class GraceRetracted(LicensingEvent):
    """The announced grace period never was: a payment made in time arrived late."""

    TYPE: ClassVar[str] = "licensing.grace-retracted.v1"
    period_id: UUID


class HoldStarted(LicensingEvent):
    """No access until a payment, at the latest by `ends_at`, or until a dispute is decided (then open)."""

    TYPE: ClassVar[str] = "licensing.hold-started.v1"
    period_id: UUID
    ends_at: Instant | None = None


class Paused(LicensingEvent):
    """The subscription pauses until `resumes_at`, or until it is resumed earlier (T23)."""

    TYPE: ClassVar[str] = "licensing.paused.v1"
    period_id: UUID
    resumes_at: Instant


class Resumed(LicensingEvent):
    """The pause is over and paid time runs again (T25)."""

    TYPE: ClassVar[str] = "licensing.resumed.v1"
    period_id: UUID


class Recovered(LicensingEvent):
    """Paid again during grace or hold (T12, T14)."""

    TYPE: ClassVar[str] = "licensing.recovered.v1"
    period_id: UUID


class Expired(LicensingEvent):
    """Access has ended."""

    TYPE: ClassVar[str] = "licensing.expired.v1"
    reason: ExpiryReason


class ExpiryReasonCorrected(LicensingEvent):
    """Access ended at the announced instant, for another reason than announced."""

    TYPE: ClassVar[str] = "licensing.expiry-reason-corrected.v1"
    old: ExpiryReason
    new: ExpiryReason


class Reinstated(LicensingEvent):
    """Access that was taken away counts again, or the dispute that held it is decided (T21, T22)."""

    TYPE: ClassVar[str] = "licensing.reinstated.v1"
    period_id: UUID


class Resubscribed(LicensingEvent):
    """A new order after the end (T27)."""

    TYPE: ClassVar[str] = "licensing.resubscribed.v1"
    period_id: UUID


class EntitlementEvent(LicensingEvent):
    """What may be used from `effective_at`, valid until `valid_until` if nothing happens."""

    state: EntitlementState
    capabilities: Capabilities
    valid_until: Instant | None = None
    as_of: Instant


class EntitlementGranted(EntitlementEvent):
    """Access begins."""

    TYPE: ClassVar[str] = "licensing.entitlement-granted.v1"


class EntitlementExtended(EntitlementEvent):
    """Access lasts longer than announced before."""

    TYPE: ClassVar[str] = "licensing.entitlement-extended.v1"


class EntitlementLimited(EntitlementEvent):
    """Some capabilities are off (update subscriptions after grace)."""

    TYPE: ClassVar[str] = "licensing.entitlement-limited.v1"


class EntitlementSuspended(EntitlementEvent):
    """Access is off and can come back (hold, pause, open dispute)."""

    TYPE: ClassVar[str] = "licensing.entitlement-suspended.v1"


class EntitlementRestored(EntitlementEvent):
    """Access is back."""

    TYPE: ClassVar[str] = "licensing.entitlement-restored.v1"


class EntitlementEnded(EntitlementEvent):
    """Access is over."""

    TYPE: ClassVar[str] = "licensing.entitlement-ended.v1"


EVENTS: tuple[type[Data], ...] = (
    PeriodStarted,
    PeriodEnded,
    SubscriptionRenewed,
    GraceStarted,
    GraceEnded,
    GraceRetracted,
    HoldStarted,
    Paused,
    Resumed,
    Recovered,
    Expired,
    ExpiryReasonCorrected,
    Reinstated,
    Resubscribed,
    EntitlementGranted,
    EntitlementExtended,
    EntitlementLimited,
    EntitlementSuspended,
    EntitlementRestored,
    EntitlementEnded,
)


class ScheduledStage(Frozen):
    """One step of the schedule ahead: the state that begins at `at` if nothing happens before."""

    at: Instant
    state: EntitlementState
    capabilities: Capabilities


class Entitlement(Data):
    """The latest entitlement of a subscription, for anyone's cache; compacted on `licensing.entitlements`."""

    TYPE: ClassVar[str] = "licensing.entitlement.v1"
    provider_id: Ref
    product_id: Ref
    product_type: ProductType
    seats: Seats
    state: EntitlementState
    capabilities: Capabilities
    valid_until: Instant | None = None
    schedule: tuple[ScheduledStage, ...]
    paid_through: Instant | None = None
    renewal_pending: bool
    as_of: Instant
    policy_version: Ref
    source_sequence: Annotated[int, Field(ge=0)]


ENTITLEMENTS: tuple[type[Data], ...] = (Entitlement,)
