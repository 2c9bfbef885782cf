"""Access: what works on the device by status and product type (S-07, 3b), asked of the facts at any instant."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from contracts.licensing import Capabilities, EntitlementState
from contracts.values import ProductType
from ledger.history import History, PolicyOf, last_of
from ledger.known import known_at
from ledger.reasons import Cause, causes_of, rules_of
from ledger.stage import Stage
from ledger.timeline import timeline

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
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class StageAccess:
    """What a stage lets a device do; `valid_until` is when that ends if nothing happens."""

    state: EntitlementState
    capabilities: Capabilities
    valid_until: datetime | None

    @property
    def works(self) -> bool:
        """Whether everything that was bought works."""
        return self.state in ("active", "grace")


@dataclass(frozen=True, slots=True)
class Access:
    """The answer to "what may be used, and why?", by what had happened until `as_of`."""

    state: EntitlementState
    capabilities: Capabilities
    seats: int
    since: datetime
    #: When this state ends if nothing happens; None when it does not end by itself.
    valid_until: datetime | None
    #: Whole days that are left of paid time, a begun one counts; None when it is open (S-22, Q22).
    days_remaining: int | None
    paid_through: datetime | None
    #: Whether our charge for the next period is unanswered (Q7).
    renewal_pending: bool
    as_of: datetime
    policy_version: str
    #: The facts that it follows from, oldest first.
    causes: tuple[Cause, ...]
    #: The ids of the rules that it follows from, the most telling first.
    rules: tuple[str, ...]


def access_at(history: History, policy_of: PolicyOf, instant: datetime) -> Access | None:
    """What may be used at an instant and why; None before anything entitles (S-22, S-27, Q7).

    Derived from facts alone when it is asked, so no late timer and no order of arrival changes it, and
    what happens later changes no earlier answer.
    """
    known = known_at(history, instant)
    stages = timeline(known, policy_of)
    position = position_at(stages, instant)
    if position is None:
        return None
    stage = stages[position]
    now = access_of(stage, holds_until(stages, position))
    return Access(
        state=now.state,
        capabilities=now.capabilities,
        seats=known.seats_at(stage.period, instant),
        since=stage.anchor,
        valid_until=now.valid_until,
        days_remaining=days_remaining(known, instant),
        paid_through=known.paid_through,
        renewal_pending=known.renewal_pending,
        as_of=instant,
        policy_version=stage.period.policy_version,
        causes=causes_of(known, stage, instant),
        rules=rules_of(known, stage, instant),
    )


def days_remaining(history: History, instant: datetime) -> int | None:
    """Whole days to the end of paid time, rounded up; 0 from there on, None when it is open (S-22)."""
    last = last_of(history.counting)
    if last is None:
        return 0
    return None if last.end is None else max(0, -((instant - last.end) // _DAY))


def access_of(stage: Stage, until: datetime | None) -> StageAccess:
    """The access that a stage gives; `until` is the end of the unbroken paid time from here."""
    degraded = _DEGRADED[stage.period.plan.product_type]
    if stage.status == "active":
        return StageAccess("active", ALL, until)
    if stage.status == "grace":
        return StageAccess("grace", ALL, stage.ends_at)
    if stage.status == "paused" and stage.usable:
        return StageAccess("grace", ALL, stage.ends_at)
    if stage.status in ("hold", "paused"):
        return StageAccess("suspended", degraded, stage.ends_at)
    ended: Literal["revoked", "limited", "expired"] = "expired"
    if stage.reason in _REVOKING:
        ended = "revoked"
    elif degraded is not NONE:
        ended = "limited"
    return StageAccess(ended, degraded, None)


def position_at(stages: tuple[Stage, ...], instant: datetime) -> int | None:
    """Which stage holds at the instant; None before the first."""
    begun = [position for position, stage in enumerate(stages) if stage.start <= instant]
    return begun[-1] if begun else None


def holds_until(stages: tuple[Stage, ...], position: int) -> datetime | None:
    """Where the unbroken active time that the stage at `position` belongs to ends; None when open."""
    later = (stage.start for stage in stages[position + 1 :] if stage.status != "active")
    return next(later, None)
