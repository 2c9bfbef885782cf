"""Saying: what turned out untrue is corrected first, then what is due and unsaid is said, with its anchor."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from contracts import licensing
from contracts.outgoing import Speaker
from ledger.stage import Stage
from services.licensing.domain.announcements import Announcement
from services.licensing.domain.license import License, Said

#: Which announcements correct which earlier ones when they take their place.
_CORRECTS = {
    "expired": {
        "recovered",
        "resubscribed",
        "reinstated",
        "expired",
        "grace-started",
        "hold-started",
    },
    "hold-started": {"recovered", "expired", "subscription-renewed"},
    "grace-ended": {"recovered", "subscription-renewed"},
    "period-ended": {"period-ended"},
    "period-started": {"period-started"},
    "grace-started": {"grace-started"},
}
_REVIVALS = {"recovered", "resubscribed", "reinstated"}


def say(
    license: License,
    foreseen: tuple[Announcement, ...],
    stages: tuple[Stage, ...],
    speaker: Speaker,
    now: datetime,
) -> tuple[Said, ...]:
    """Say what is due, corrections first; returns everything that was said and still stands."""
    keys = {announcement.key for announcement in foreseen}
    stands = [said for said in license.said if said.key in keys]
    gone = [said for said in license.said if said.key not in keys]
    known = {said.key for said in stands}
    fresh = [a for a in foreseen if a.at <= now and a.key not in known]
    voice = _Voice(speaker, now, license.history.paid_through)
    _retract(gone, fresh, stages, voice)
    for announcement in fresh:
        wrong = _wrong_reason(announcement, gone)
        event_id = (
            voice.correct_reason(announcement, wrong)
            if wrong
            else voice.say(announcement, _corrected_by(announcement, gone))
        )
        stands.append(Said(announcement.key, event_id))
    return tuple(stands)


@dataclass(frozen=True, slots=True)
class _Voice:
    """Says events of licensing, each with when it was derived."""

    speaker: Speaker
    now: datetime
    paid_through: datetime | None

    def say(self, announcement: Announcement, corrects: tuple[UUID, ...] = ()) -> UUID:
        """Say one announcement and return the id of its event."""
        fields = announcement.fields
        if issubclass(announcement.event, licensing.EntitlementEvent):
            fields = {**fields, "as_of": self.now}
        data = announcement.event.model_validate(
            {
                "effective_at": announcement.at,
                "derived_at": self.now,
                "paid_through": self.paid_through,
                "policy_version": announcement.policy_version,
                "fact_id": announcement.fact_id,
                "corrects": corrects or None,
                **fields,
            }
        )
        return self.speaker.say(data, announcement.at, policy_version=announcement.policy_version)

    def correct(
        self, wrong: Said, stage: Stage, event: type[licensing.LicensingEvent], period_id: UUID
    ) -> None:
        """Say now that an earlier event was not true."""
        period = stage.period
        fields: dict[str, object] = {"period_id": period_id}
        announcement = Announcement(
            "", self.now, event, period.fact_id, period.policy_version, fields
        )
        self.say(announcement, (wrong.event_id,))

    def correct_reason(self, announcement: Announcement, wrong: Said) -> UUID:
        """Say that access ended when it was told to, but for another reason."""
        fields = {"old": _parts(wrong)[1], "new": announcement.fields["reason"]}
        corrected = replace(announcement, event=licensing.ExpiryReasonCorrected, fields=fields)
        return self.say(corrected, (wrong.event_id,))


def _parts(said: Said) -> tuple[str, str, str]:
    """Name, subject and instant of what was said, from its key."""
    name, subject, at = said.key.split(":", 2)
    return name, subject, at


def _wrong_reason(announcement: Announcement, gone: Iterable[Said]) -> Said | None:
    """What told the end of access at the same instant with another reason."""
    if announcement.event is not licensing.Expired:
        return None
    at = announcement.at.isoformat()
    return next((s for s in gone if _parts(s)[0] == "expired" and _parts(s)[2] == at), None)


def _corrected_by(announcement: Announcement, gone: Iterable[Said]) -> tuple[UUID, ...]:
    name = announcement.key.split(":", 1)[0]
    return tuple(s.event_id for s in gone if name in _CORRECTS.get(_parts(s)[0], ()))


def _retract(
    gone: Iterable[Said], fresh: list[Announcement], stages: tuple[Stage, ...], voice: _Voice
) -> None:
    """Say what no other announcement corrects by itself: a grace that never was, an end that was none."""
    stage = next((stage for stage in reversed(stages) if stage.start <= voice.now), None)
    if stage is None:
        return
    names = {announcement.event.TYPE.split(".")[1] for announcement in fresh}
    for said in gone:
        name, subject, _ = _parts(said)
        if name == "grace-started" and name not in names:
            voice.correct(said, stage, licensing.GraceRetracted, UUID(subject))
        elif name == "expired" and stage.status == "active" and not names & _REVIVALS:
            voice.correct(said, stage, licensing.Reinstated, stage.period.period_id)
