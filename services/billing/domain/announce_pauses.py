"""What billing says about pauses: scheduled, started, ended, or refused (T23 to T25)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from contracts import billing, payments
from contracts.base import Data
from ledger.pauses import Pause, PauseSpan
from services.billing.domain import facts
from services.billing.domain.announcement import Announcement
from services.billing.domain.standing import Standing


def scheduled_pause_announcements(known: Standing) -> Iterator[Announcement]:
    """Every pause that begins, or was to begin, where a period ends."""
    for told in _told(known):
        followed = known.period(told.pause.follows) if told.pause.follows else None
        if followed and followed.end:
            yield _scheduled(told, followed.end)


def pause_announcements(known: Standing) -> Iterator[Announcement]:
    """Where every granted pause starts and ends, and every request at the provider that changed nothing."""
    said = {item.key for item in known.subscription.said}
    granted = {told.pause.fact_id: told for told in _told(known)}
    for fact in known.subscription.facts:
        if isinstance(fact, facts.PauseRequested):
            told_by = {_scheduled_key(fact.fact_id), _started_key(fact.fact_id)} & said
            if fact.fact_id in granted:
                yield from _granted(known, granted[fact.fact_id], told_by)
            elif told_by:  # it was granted before an older fact arrived
                corrects = tuple(sorted(told_by))
                yield _end(fact.fact_id, fact.fact_id, fact.at, corrects=corrects)
        if isinstance(fact, facts.PauseRequested | facts.ResumeRequested):
            yield from _refused(known, fact)


@dataclass(frozen=True, slots=True)
class _Told:
    """A pause as it is told: where it lies, None when it never begins."""

    pause: Pause
    channel: str
    span: PauseSpan | None

    def scheduled(self, starts_at: datetime, corrects: tuple[UUID, ...] | None = None) -> Data:
        return self._event(
            billing.PauseScheduled,
            self.pause.at,
            corrects,
            follows=self.pause.follows,
            starts_at=starts_at,
        )

    def started(self, start: datetime, corrects: tuple[UUID, ...] | None = None) -> Data:
        return self._event(billing.PauseStarted, start, corrects)

    def _event(
        self,
        event: type[billing.PauseEvent],
        effective_at: datetime,
        corrects: tuple[UUID, ...] | None,
        **more: object,
    ) -> Data:
        return event.model_validate(
            {
                "fact_id": self.pause.fact_id,
                "effective_at": effective_at,
                "corrects": corrects,
                "pause_id": self.pause.fact_id,
                "mode": self.pause.mode,
                "channel": self.channel,
                "resumes_at": self.pause.resumes_at,
                **more,
            }
        )


def _told(known: Standing) -> Iterator[_Told]:
    """Every pause that was granted."""
    if not known.history.pauses:
        return
    spans = {span.pause.fact_id: span for span in known.history.pause_spans()}
    for fact in known.subscription.facts:
        pause = next((p for p in known.history.pauses if p.fact_id == fact.fact_id), None)
        if pause and isinstance(fact, facts.PauseRequested):
            yield _Told(pause, fact.channel, spans.get(fact.fact_id))


def _granted(known: Standing, told: _Told, told_by: set[str]) -> Iterator[Announcement]:
    pause, span = told.pause, told.span
    if span:
        yield _started(told, span.start)
    if span or told_by or pause.follows:
        ended_by = known.pause_ends.get(pause.fact_id, pause.fact_id)
        opened = f"{pause.follows or '-'} {(span.start if span else pause.end).isoformat()}"
        corrects = (_refused_key(ended_by),)
        again = _goes_on(told, span, told_by) if span else None
        yield _end(pause.fact_id, ended_by, pause.end, opened, corrects=corrects, goes_on=again)


def _goes_on(told: _Told, span: PauseSpan, told_by: set[str]) -> Callable[[UUID], Data]:
    """The pause as it was told last: it did not end yet."""
    begun = told.pause.follows is None or _started_key(told.pause.fact_id) in told_by
    event = told.started if begun else told.scheduled
    return lambda event_id: event(span.start, (event_id,))


def _scheduled(told: _Told, starts_at: datetime) -> Announcement:
    """Scheduled; told again when its start moves, unless it was dropped, or with the period it follows."""
    follows = str(told.pause.follows)

    def moved(old: str, event_id: UUID) -> Data | None:
        dropped = told.span is None and old.split(" ")[0] == follows
        return None if dropped else told.scheduled(starts_at, (event_id,))

    return Announcement(
        _scheduled_key(told.pause.fact_id),
        told.pause.at,
        lambda: (told.scheduled(starts_at),),
        value=f"{follows} {starts_at.isoformat()}",
        correction=moved,
        corrects=(_refused_key(told.pause.fact_id),),
    )


def _started(told: _Told, start: datetime) -> Announcement:
    """Started; one that was told and begins later after all is only scheduled."""

    def scheduled(event_id: UUID) -> Data:
        return told.scheduled(start, (event_id,))

    return Announcement(
        _started_key(told.pause.fact_id),
        start,
        lambda: (told.started(start),),
        value=start.isoformat(),
        correction=lambda _, event_id: told.started(start, (event_id,)),
        corrects=(_refused_key(told.pause.fact_id),),
        goes_on=scheduled if told.pause.follows else None,
    )


def _end(
    pause_id: UUID,
    ended_by: UUID,
    at: datetime,
    opened: str = "",
    *,
    corrects: tuple[str, ...],
    goes_on: Callable[[UUID], Data] | None = None,
) -> Announcement:
    """Ended; told again when its end moves, or how it was `opened`, which opens it anew for who hears that."""

    def ended(corrects: tuple[UUID, ...] | None = None) -> Data:
        return billing.PauseEnded(
            fact_id=ended_by, effective_at=at, corrects=corrects, pause_id=pause_id
        )

    return Announcement(
        f"pause-ended:{pause_id}",
        at,
        lambda: (ended(),),
        value=f"{opened} {at.isoformat()}",
        correction=lambda _, event_id: ended((event_id,)),
        corrects=corrects,
        goes_on=goes_on,
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
