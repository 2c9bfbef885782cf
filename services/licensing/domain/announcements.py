"""What a timeline makes licensing say: one announcement per change of access, in order, each with its anchor."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from contracts import licensing
from ledger.access import access_of
from ledger.stage import Stage

_Event = type[licensing.LicensingEvent]


@dataclass(frozen=True, slots=True)
class Announcement:
    """One thing to say when `at` has come; `key` makes it said once."""

    key: str
    at: datetime
    event: _Event
    fact_id: UUID
    policy_version: str
    fields: dict[str, object] = field(default_factory=dict)


def announcements(stages: tuple[Stage, ...]) -> tuple[Announcement, ...]:
    """Everything that the timeline says, past and foreseen, in the order of the anchors (T2-T28)."""
    said: list[Announcement] = []
    previous: Stage | None = None
    for position, stage in enumerate(stages):
        said.extend(_left(previous, stage))
        said.extend(_entered(previous, stage))
        said.append(_entitlement(stages, position, previous))
        previous = stage
    said.sort(key=lambda a: a.at)  # stable: what happens at one instant keeps its order
    return tuple(said)


def _say(
    stage: Stage, event: _Event, at: datetime, subject: object, **fields: object
) -> Announcement:
    name = event.TYPE.split(".")[1]
    period = stage.period
    return Announcement(
        key=f"{name}:{subject}:{at.isoformat()}",
        at=at,
        event=event,
        fact_id=period.taken.fact_id if stage.reason and period.taken else period.fact_id,
        policy_version=period.policy_version,
        fields=fields,
    )


def _left(previous: Stage | None, stage: Stage) -> Iterator[Announcement]:
    if previous is None:
        return
    period_id = previous.period.period_id
    if previous.status == "active":
        yield _say(previous, licensing.PeriodEnded, stage.start, period_id, period_id=period_id)
    if previous.status == "grace" and stage.status in ("hold", "expired"):
        yield _say(previous, licensing.GraceEnded, stage.start, period_id, period_id=period_id)


def _entered(previous: Stage | None, stage: Stage) -> Iterator[Announcement]:
    period_id = stage.period.period_id
    same = {"period_id": period_id}
    match stage.status:
        case "grace":
            yield _say(
                stage, licensing.GraceStarted, stage.start, period_id, **same, ends_at=stage.ends_at
            )
        case "hold":
            yield _say(
                stage, licensing.HoldStarted, stage.start, period_id, **same, ends_at=stage.ends_at
            )
        case "expired":
            yield _say(stage, licensing.Expired, stage.start, stage.reason, reason=stage.reason)
        case "active":
            if not _resumes(stage):
                yield _say(stage, licensing.PeriodStarted, stage.start, period_id, **same)
            how = _how_active(previous, stage)
            if how:
                yield _say(stage, how, stage.start, period_id, **same)


def _resumes(stage: Stage) -> bool:
    """Whether the period had begun before and only counts again, because its refund failed."""
    taken = stage.period.taken
    return bool(taken and taken.reinstated_at and stage.start > stage.period.begins)


def _how_active(previous: Stage | None, stage: Stage) -> _Event | None:
    if previous is None:
        return None
    if previous.status == "active":
        return licensing.SubscriptionRenewed
    if previous.status in ("grace", "hold"):
        return licensing.Recovered
    taken = stage.period.taken
    if taken and taken.reinstated_at:
        return licensing.Reinstated
    return licensing.Resubscribed


def _entitlement(stages: tuple[Stage, ...], position: int, previous: Stage | None) -> Announcement:
    stage = stages[position]
    access = access_of(stage, stage.ends_at)
    event: _Event
    match stage.status:
        case "active" if previous is None:
            event = licensing.EntitlementGranted
        case "active" if previous.status in ("active", "grace"):  # type: ignore[union-attr]
            event = licensing.EntitlementExtended
        case "active":
            event = licensing.EntitlementRestored
        case "grace":
            event = licensing.EntitlementExtended
        case "hold":
            event = licensing.EntitlementSuspended
        case _ if access.state == "limited":
            event = licensing.EntitlementLimited
        case _:
            event = licensing.EntitlementEnded
    at = stage.start
    if stage.status == "active" and previous is not None and previous.status == "active":
        at = max(stages[_run_start(stages, position)].start, stage.period.paid_at)
    return _say(
        stage,
        event,
        at,
        f"{access.state}:{stage.period.period_id}",
        state=access.state,
        capabilities=access.capabilities,
        valid_until=access.valid_until,
    )


def _run_start(stages: tuple[Stage, ...], position: int) -> int:
    """Where the unbroken run of active stages that `position` belongs to begins."""
    while position and stages[position - 1].status == "active":
        position -= 1
    return position
