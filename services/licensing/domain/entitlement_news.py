"""What licensing says about entitlements: granted, extended, limited, suspended, restored, ended."""

from contracts import licensing
from ledger.access import StageAccess, access_of
from services.licensing.domain.announcement import Announcement
from services.licensing.domain.change import Change


def entitlement_news(change: Change, anew: bool) -> Announcement:
    """What the stage is for the entitlement (3b).

    `anew`: access ended so long ago that it is granted once more. What is paid ahead extends the
    entitlement when it is paid (S-35), everything else when it begins.
    """
    stage, before = change.stage, change.before
    now = access_of(stage, stage.ends_at)
    past = access_of(before, before.ends_at) if before else None
    event = licensing.EntitlementGranted if anew and now.works else _event(now, past)
    return _told(change, now, event)


def present_entitlement(change: Change, *, restored: bool) -> Announcement:
    """The entitlement of the stage, for saying it once more; `restored`: it was told to be off."""
    now = access_of(change.stage, change.stage.ends_at)
    if not now.works:
        return _told(change, now, _off(now))
    event = licensing.EntitlementRestored if restored else licensing.EntitlementExtended
    return _told(change, now, event)


def _told(
    change: Change, now: StageAccess, event: type[licensing.EntitlementEvent]
) -> Announcement:
    stage, before = change.stage, change.before
    ahead = before is not None and before.status == stage.status == "active"
    at = max(change.run_start, stage.period.paid_at) if ahead else None
    return change.say(
        event,
        f"{now.state} {change.stage.period.period_id}",
        effective_at=at,
        at=at,
        state=now.state,
        capabilities=now.capabilities,
        valid_until=now.valid_until,
    )


def _event(now: StageAccess, past: StageAccess | None) -> type[licensing.EntitlementEvent]:
    if not now.works:
        return _off(now)
    if past is None:
        return licensing.EntitlementGranted
    return licensing.EntitlementExtended if past.works else licensing.EntitlementRestored


def _off(now: StageAccess) -> type[licensing.EntitlementEvent]:
    if now.state == "suspended":
        return licensing.EntitlementSuspended
    return licensing.EntitlementLimited if now.state == "limited" else licensing.EntitlementEnded
