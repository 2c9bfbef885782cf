"""Corrections: which new words name an announcement that turned out untrue, and what is said where none does.

Every announcement that no longer stands is named by one event, but an extension by paid time that had not
begun: that was true until the paid time was taken away or moved.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from contracts import licensing
from ledger.access import NONE
from ledger.history import PaidPeriod
from services.licensing.domain.announcement import ENTITLEMENT, Announcement, key_for, parts_of
from services.licensing.domain.announcements import present_status
from services.licensing.domain.change import Change
from services.licensing.domain.entitlement_news import present_entitlement
from services.licensing.domain.license import Said

_STATUSES = frozenset(
    {
        "grace-started",
        "hold-started",
        "paused",
        "resumed",
        "recovered",
        "expired",
        "reinstated",
        "resubscribed",
        "subscription-renewed",
    }
)
#: What alone can take the place of these; anything else is corrected by any status.
_ONLY = {
    "grace-started": frozenset({"grace-started"}),
    "expired": _STATUSES - {"subscription-renewed", "resumed"},
}
#: What corrects these when nothing new does and access works now, the gravest first.
_UNDONE: dict[str, type[licensing.LicensingEvent]] = {
    "expired": licensing.Reinstated,
    "hold-started": licensing.Recovered,
    "paused": licensing.Resumed,
}


@dataclass(slots=True)
class Corrections:
    """What is said first, with the events it corrects, and what each new announcement corrects, by key."""

    first: list[tuple[Announcement, tuple[UUID, ...]]] = field(default_factory=list)
    corrected_by: dict[str, tuple[UUID, ...]] = field(default_factory=dict)

    def attach(self, gone: Said, announcement: Announcement) -> None:
        """This announcement names that event."""
        named = self.corrected_by.get(announcement.key, ())
        self.corrected_by[announcement.key] = (*named, gone.event_id)


def corrections(
    gone: Sequence[Said], fresh: Sequence[Announcement], present: Change, now: datetime
) -> Corrections:
    """How everything that no longer stands is corrected, given what is said anew; `present` is now's stage."""
    found = Corrections()
    rest: list[Said] = []
    for said in gone:
        if parts_of(said.key).name == ENTITLEMENT:
            continue
        vehicle = _vehicle(said, fresh)
        if vehicle:
            found.attach(said, vehicle)
        else:
            rest.append(said)
    found.first.extend(_retractions(rest, present, now))
    _entitlements(gone, fresh, present, now, found)
    return found


def not_begun(gone: Sequence[Said], first: PaidPeriod | None, now: datetime) -> Corrections:
    """All that was said is corrected at once when the first paid time was moved ahead of now."""
    if first is None or not gone:
        return Corrections()
    told = Announcement(
        key=key_for(licensing.EntitlementSuspended, f"pending {first.period_id}", now),
        at=now,
        effective_at=now,
        event=licensing.EntitlementSuspended,
        fact_id=first.fact_id,
        policy_version=first.policy_version,
        fields={"state": "pending", "capabilities": NONE, "valid_until": first.begins},
    )
    return Corrections([(told, tuple(said.event_id for said in gone))])


def wrong_reason(announcement: Announcement, gone: Sequence[Said]) -> str | None:
    """The other reason with which the end of access at the same instant was told."""
    if announcement.event is not licensing.Expired:
        return None
    since = parts_of(announcement.key).effective_at
    told = (parts_of(said.key) for said in gone)
    return next((p.subject for p in told if (p.name, p.effective_at) == ("expired", since)), None)


def _vehicle(said: Said, fresh: Sequence[Announcement]) -> Announcement | None:
    """What is said anew in the place of what was said: the like of it if possible."""
    was = parts_of(said.key)
    may = _ONLY.get(was.name, _STATUSES | {was.name})
    able = [a for a in fresh if a.name in may]
    if was.name.startswith("period-"):
        able = [a for a in able if a.name != was.name or parts_of(a.key).subject == was.subject]
    alike = [a for a in able if a.name == was.name]
    return next(iter([*alike, *able]), None)


def _retractions(
    rest: Sequence[Said], present: Change, now: datetime
) -> Iterator[tuple[Announcement, tuple[UUID, ...]]]:
    """What is said of a grace that never was, and of everything else that nothing new corrects."""
    graces = [said for said in rest if parts_of(said.key).name == "grace-started"]
    others = [said for said in rest if said not in graces]
    for grace in graces:
        period_id = parts_of(grace.key).period_id
        same = [
            s
            for s in others
            if parts_of(s.key).name in ("grace-ended", "period-ended")
            and parts_of(s.key).period_id == period_id
        ]
        others = [said for said in others if said not in same]
        retracted = present.say(
            licensing.GraceRetracted, period_id, effective_at=now, at=now, period_id=period_id
        )
        yield retracted, tuple(said.event_id for said in (grace, *same))
    if others:
        yield _undone(others, present, now), tuple(said.event_id for said in others)


def _undone(others: Sequence[Said], present: Change, now: datetime) -> Announcement:
    told = {parts.name: parts for parts in (parts_of(said.key) for said in others)}
    name = next((name for name in _UNDONE if name in told), None)
    if name is None or present.stage.status != "active":
        return present_status(present)
    event = licensing.Reinstated if told[name].disputed else _UNDONE[name]
    period_id = present.stage.period.period_id
    return present.say(event, period_id, effective_at=now, at=now, period_id=period_id)


def _entitlements(
    gone: Sequence[Said],
    fresh: Sequence[Announcement],
    present: Change,
    now: datetime,
    found: Corrections,
) -> None:
    """What is told anew of the entitlement corrects what was; else the present one is told again."""
    new = [a for a in fresh if issubclass(a.event, licensing.EntitlementEvent)]
    untrue = [said for said in gone if parts_of(said.key).name == ENTITLEMENT]
    if new:
        for said in untrue:
            found.attach(said, new[0])
        return
    untrue = [said for said in untrue if not _ahead(said, present, now)]
    if untrue:
        off = any(parts_of(s.key).subject.split(" ")[0] not in ("active", "grace") for s in untrue)
        told = present_entitlement(present, restored=off)
        found.first.append((told, tuple(said.event_id for said in untrue)))


def _ahead(said: Said, present: Change, now: datetime) -> bool:
    """Whether it extended the entitlement by paid time that has not begun."""
    was = parts_of(said.key)
    begins = [p.begins for p in present.history.periods if p.period_id == was.period_id]
    return was.subject.startswith("active ") and any(at > now for at in begins)


def as_corrected_reason(announcement: Announcement, old: str) -> Announcement:
    """The end of access as a correction of its reason alone (Q8)."""
    fields = {"old": old, "new": announcement.fields["reason"]}
    return replace(announcement, event=licensing.ExpiryReasonCorrected, fields=fields)
