"""Licensing's one decision: learn the fact, derive the timeline, say what is new, corrections first."""

from collections.abc import Iterable
from datetime import datetime
from functools import partial
from uuid import UUID

from contracts import licensing
from contracts.envelope import Envelope
from contracts.errors import Impossible
from contracts.outgoing import Outgoing, Speaker, TimePassed
from contracts.policy import Policies
from ledger.access import access_of, paid_until
from ledger.timeline import Stage, timeline
from services.licensing.domain.announcements import Announcement, announcements
from services.licensing.domain.license import License, Said, learn

SERVICE = "licensing"


def decide(
    license: License, message: Envelope | TimePassed, policies: Policies, now: datetime
) -> tuple[License, tuple[Outgoing, ...]]:
    """The license after a message of billing or a passed deadline, and what licensing says about it.

    Raises Impossible for a period without its subscription.
    """
    learned = learn(license, message) if isinstance(message, Envelope) else license
    if isinstance(message, Envelope) and learned is license:
        return license, ()
    if not learned.provider_id:
        raise Impossible("subscription_unknown", "The subscription was never created.")
    stages = timeline(learned.history, partial(policies.stamped, learned.provider_id))
    foreseen = announcements(stages)
    speaker = Speaker(SERVICE, message.cause_id, str(learned.subscription_id), learned.provider_id)
    said = _announce(learned, foreseen, stages, speaker, now)
    learned = learned.model_copy(update={"said": said, "due_at": _due_at(foreseen, said)})
    if stages and (speaker.said or learned.history is not license.history):
        _publish_entitlement(learned, stages, speaker, now)
    return learned, tuple(speaker.said)


def next_deadline(license: License) -> datetime | None:
    """The next instant at which licensing has something to say by itself."""
    return license.due_at


def _announce(
    license: License,
    foreseen: tuple[Announcement, ...],
    stages: tuple[Stage, ...],
    speaker: Speaker,
    now: datetime,
) -> tuple[Said, ...]:
    """Say corrections of what turned out untrue, then what is due and unsaid; returns all that stands."""
    keys = {announcement.key for announcement in foreseen}
    stands = [said for said in license.said if said.key in keys]
    gone = [said for said in license.said if said.key not in keys]
    known = {said.key for said in stands}
    fresh = [a for a in foreseen if a.at <= now and a.key not in known]
    through = license.history.paid_through
    _retract(gone, fresh, stages, speaker, now, through)
    for announcement in fresh:
        corrects = _corrected_by(announcement, gone)
        event_id = _say(speaker, announcement, now, through, corrects)
        stands.append(Said(key=announcement.key, event_id=event_id))
    return tuple(stands)


def _say(
    speaker: Speaker,
    announcement: Announcement,
    now: datetime,
    through: datetime | None,
    corrects: tuple[UUID, ...],
) -> UUID:
    fields = dict(announcement.fields)
    if issubclass(announcement.event, licensing.EntitlementEvent):
        fields["as_of"] = now
    data = announcement.event.model_validate(
        {
            "effective_at": announcement.at,
            "derived_at": now,
            "paid_through": through,
            "policy_version": announcement.policy_version,
            "fact_id": announcement.fact_id,
            "corrects": corrects or None,
            **fields,
        }
    )
    return speaker.say(data, announcement.at, policy_version=announcement.policy_version)


def _name(key: str) -> str:
    return key.split(":", 1)[0]


def _retract(
    gone: list[Said],
    fresh: list[Announcement],
    stages: tuple[Stage, ...],
    speaker: Speaker,
    now: datetime,
    through: datetime | None,
) -> None:
    """Say what no other announcement corrects by itself: a grace that never was, an end that was none."""
    current = [stage for stage in stages if stage.start <= now]
    if not current:
        return
    stage = current[-1]
    names = {announcement.event.TYPE.split(".")[1] for announcement in fresh}
    for said in gone:
        name, subject, _ = said.key.split(":", 2)
        if name == "grace-started" and "grace-started" not in names:
            period_id = UUID(subject)
            _say_now(
                speaker, licensing.GraceRetracted, stage, said, now, through, period_id=period_id
            )
        elif name == "expired" and stage.status == "expired" and stage.reason != subject:
            _say_now(
                speaker,
                licensing.ExpiryReasonCorrected,
                stage,
                said,
                now,
                through,
                old=subject,
                new=stage.reason,
            )
        elif name == "expired" and stage.status == "active" and not names & _REVIVALS:
            _say_now(
                speaker,
                licensing.Reinstated,
                stage,
                said,
                now,
                through,
                period_id=stage.period.period_id,
            )


_REVIVALS = {"recovered", "resubscribed", "reinstated"}
#: Which announcements correct which earlier ones when they take their place.
_CORRECTS = {
    "expired": {"recovered", "resubscribed", "reinstated", "expired"},
    "hold-started": {"recovered", "expired", "subscription-renewed"},
    "grace-ended": {"recovered", "subscription-renewed"},
    "period-ended": {"period-ended"},
    "period-started": {"period-started"},
    "grace-started": {"grace-started"},
}


def _corrected_by(announcement: Announcement, gone: Iterable[Said]) -> tuple[UUID, ...]:
    name = _name(announcement.key)
    return tuple(said.event_id for said in gone if name in _CORRECTS.get(_name(said.key), ()))


def _say_now(
    speaker: Speaker,
    event: type[licensing.LicensingEvent],
    stage: Stage,
    said: Said,
    now: datetime,
    through: datetime | None,
    **fields: object,
) -> None:
    data = event.model_validate(
        {
            "effective_at": now,
            "derived_at": now,
            "paid_through": through,
            "policy_version": stage.period.policy_version,
            "fact_id": stage.period.fact_id,
            "corrects": (said.event_id,),
            **fields,
        }
    )
    speaker.say(data, now, policy_version=stage.period.policy_version)


def _due_at(foreseen: tuple[Announcement, ...], said: tuple[Said, ...]) -> datetime | None:
    known = {s.key for s in said}
    return next((a.at for a in foreseen if a.key not in known), None)


def _publish_entitlement(
    license: License, stages: tuple[Stage, ...], speaker: Speaker, now: datetime
) -> None:
    """Say the latest entitlement with its schedule, for anyone's cache; nothing before the first one."""
    begun = [position for position, stage in enumerate(stages) if stage.start <= now]
    if not begun:
        return
    position = begun[-1]
    stage = stages[position]
    access = access_of(stage, paid_until(stages, position))
    ahead = tuple(
        licensing.ScheduledStage(at=later.start, state=a.state, capabilities=a.capabilities)
        for later in stages[position + 1 :]
        for a in [access_of(later, later.ends_at)]
    )
    plan = stage.period.plan
    entitlement = licensing.Entitlement(
        provider_id=license.provider_id,
        product_id=plan.product_id,
        product_type=plan.product_type,
        seats=plan.seats,
        state=access.state,
        capabilities=access.capabilities,
        valid_until=access.valid_until,
        schedule=ahead,
        paid_through=license.history.paid_through,
        renewal_pending=license.charging is not None,
        as_of=now,
        policy_version=stage.period.policy_version,
        source_sequence=license.source_sequence,
    )
    speaker.say(entitlement, now, policy_version=stage.period.policy_version)
