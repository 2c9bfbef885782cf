"""What works on the device: capabilities by status and product type (S-07, 3b), and access at an instant."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from contracts.licensing import Capabilities, EntitlementState
from contracts.values import ProductType
from ledger.stage import Stage

ALL = Capabilities(database_updates=True, cloud_reputation=True, protection=True, scan=True)
#: After grace an update subscription keeps protection, but its databases stand still.
PROTECTION_ONLY = Capabilities(
    database_updates=False, cloud_reputation=False, protection=True, scan=True
)
NONE = Capabilities(database_updates=False, cloud_reputation=False, protection=False, scan=False)

_REVOKING = ("refunded", "refunded_renewal", "chargeback")
_DEGRADED: dict[ProductType, Capabilities] = {
    "update": PROTECTION_ONLY,
    "update-and-protection": NONE,
}


@dataclass(frozen=True, slots=True)
class Access:
    """What may be used from `start`; `valid_until` is when it ends if nothing happens."""

    state: EntitlementState
    capabilities: Capabilities
    start: datetime
    valid_until: datetime | None


def access_of(stage: Stage, paid_until: datetime | None) -> Access:
    """The access that a stage gives; `paid_until` is the end of the unbroken paid time from here."""
    degraded = _DEGRADED[stage.period.plan.product_type]
    if stage.status == "active":
        return Access("active", ALL, stage.start, paid_until)
    if stage.status == "grace":
        return Access("grace", ALL, stage.start, stage.ends_at)
    if stage.status == "paused" and stage.usable:
        return Access("grace", ALL, stage.start, stage.ends_at)
    if stage.status in ("hold", "paused"):
        return Access("suspended", degraded, stage.start, stage.ends_at)
    ended: Literal["revoked", "limited", "expired"] = "expired"
    if stage.reason in _REVOKING:
        ended = "revoked"
    elif degraded is not NONE:
        ended = "limited"
    return Access(ended, degraded, stage.start, None)


def paid_until(stages: tuple[Stage, ...], position: int) -> datetime | None:
    """The end of the unbroken paid time that the stage at `position` belongs to; None when open."""
    end = stages[position].ends_at
    for stage in stages[position + 1 :]:
        if stage.status != "active" or stage.start != end:
            break
        end = stage.ends_at
    return end


def access_at(stages: tuple[Stage, ...], instant: datetime) -> Access | None:
    """The access at an instant, None before anything entitles."""
    begun = [position for position, stage in enumerate(stages) if stage.start <= instant]
    return access_of(stages[begun[-1]], paid_until(stages, begun[-1])) if begun else None
