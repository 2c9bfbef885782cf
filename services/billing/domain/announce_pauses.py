"""What billing says about pauses: scheduled, started, ended, or refused (T23 to T25)."""

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from uuid import UUID

from contracts import billing, payments
from contracts.base import Data
from ledger.pauses import Pause, PauseSpan
from services.billing.domain import facts
from services.billing.domain.announcement import Announcement
from services.billing.domain.standing import Standing


def pause_announcements(known: Standing) -> Iterator[Announcement]:
    """Every pause that was granted, and every request at the provider that changed nothing."""
    asked = facts.PauseRequested | facts.ResumeRequested
    requests = [fact for fact in known.subscription.facts if isinstance(fact, asked)]
    if not requests:
        return
    spans = {span.pause.fact_id: span for span in known.history.pause_spans()}
    granted = {pause.fact_id: pause for pause in known.history.pauses}
    said = {item.key for item in known.subscription.said}
    for fact in requests:
        if isinstance(fact, facts.PauseRequested):
            told = bool(said & {_scheduled_key(fact.fact_id), _started_key(fact.fact_id)})
            pause, span = granted.get(fact.fact_id), spans.get(fact.fact_id)
            if pause:
                yield from _granted(known, fact.channel, pause, span, told)
            elif told:  # it was granted before an older fact arrived
                told_by = (_scheduled_key(fact.fact_id), _started_key(fact.fact_id))
                yield _end(fact.fact_id, fact.fact_id, fact.at, fact.at, corrects=told_by)
        yield from _refused(known, fact)


def _granted(
    known: Standing, channel: str, pause: Pause, span: PauseSpan | None, told: bool
) -> Iterator[Announcement]:
    followed = known.period(pause.follows) if pause.follows else None
    if followed and followed.end:
        yield _scheduled(pause, channel, followed.end, moves=span is not None)
    if span:
        yield _started(pause, channel, span.start)
    if span or told or followed:
        ended_by = known.pause_ends.get(pause.fact_id, pause.fact_id)
        start = span.start if span else pause.end
        yield _end(pause.fact_id, ended_by, start, pause.end, corrects=(_refused_key(ended_by),))


def _scheduled(pause: Pause, channel: str, starts_at: datetime, moves: bool) -> Announcement:
    """Scheduled; told again when its start moves, unless it was dropped."""

    def scheduled(corrects: tuple[UUID, ...] | None = None) -> Data:
        return billing.PauseScheduled.model_validate(
            {
                "fact_id": pause.fact_id,
                "effective_at": pause.at,
                "corrects": corrects,
                "pause_id": pause.fact_id,
                "mode": pause.mode,
                "channel": channel,
                "follows": pause.follows,
                "starts_at": starts_at,
                "resumes_at": pause.resumes_at,
            }
        )

    return Announcement(
        _scheduled_key(pause.fact_id),
        pause.at,
        lambda: (scheduled(),),
        value=starts_at.isoformat(),
        correction=(lambda old, event_id: scheduled((event_id,))) if moves else None,
        corrects=(_refused_key(pause.fact_id),),
    )


def _started(pause: Pause, channel: str, start: datetime) -> Announcement:
    def started(corrects: tuple[UUID, ...] | None = None) -> Data:
        return billing.PauseStarted.model_validate(
            {
                "fact_id": pause.fact_id,
                "effective_at": start,
                "corrects": corrects,
                "pause_id": pause.fact_id,
                "mode": pause.mode,
                "channel": channel,
                "resumes_at": pause.resumes_at,
            }
        )

    return Announcement(
        _started_key(pause.fact_id),
        start,
        lambda: (started(),),
        value=start.isoformat(),
        correction=lambda old, event_id: started((event_id,)),
        corrects=(_refused_key(pause.fact_id),),
    )


def _end(
    pause_id: UUID, ended_by: UUID, start: datetime, at: datetime, corrects: tuple[str, ...]
) -> Announcement:
    """Ended; told again when its end moves, or its start, which opens it anew for who hears that."""

    def ended(corrects: tuple[UUID, ...] | None = None) -> Data:
        return billing.PauseEnded(
            fact_id=ended_by, effective_at=at, corrects=corrects, pause_id=pause_id
        )

    return Announcement(
        f"pause-ended:{pause_id}",
        at,
        lambda: (ended(),),
        value=f"{start.isoformat()} {at.isoformat()}",
        correction=lambda old, event_id: ended((event_id,)),
        corrects=corrects,
    )


def _refused(
    known: Standing, fact: facts.PauseRequested | facts.ResumeRequested
) -> Iterator[Announcement]:
    """The answer to a request at the provider that changed nothing."""
    refusal = known.refusals.get(fact.fact_id)
    resumed = isinstance(fact, facts.ResumeRequested)
    asked = payments.ResumeRequested.TYPE if resumed else payments.PauseRequested.TYPE
    if refusal:
        event = partial(refusal.event, asked, fact.fact_id, fact.at)
        yield Announcement(_refused_key(fact.fact_id), fact.at, lambda: (event(),))


def _scheduled_key(pause_id: UUID) -> str:
    return f"pause-scheduled:{pause_id}"


def _started_key(pause_id: UUID) -> str:
    return f"pause-started:{pause_id}"


def _refused_key(fact_id: UUID) -> str:
    return f"pause-refused:{fact_id}"
