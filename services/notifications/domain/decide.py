"""decide: hear a fact, a passed deadline or the end of a mail; say what is sent and retracted."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from contracts.envelope import Envelope
from contracts.notifications import (
    MailAccepted,
    MailEvent,
    MailRefused,
    MailRequested,
    MailRetracted,
    MailSuppressed,
    MailUnknown,
)
from contracts.outgoing import Outgoing, Speaker, TimePassed
from services.notifications.domain.correspondence import (
    Correspondence,
    MailOutcome,
    Notice,
    Status,
    notice_id,
)
from services.notifications.domain.facts import heard
from services.notifications.domain.rules import UNTRUE, requested_by

SERVICE = "notifications"
#: How long a notice waits for its subscription or its contact: topics overtake each other.
CONTACT_WAIT = timedelta(hours=24)
#: How long the content of a settled notice is kept; its id is kept for ever.
KEPT = timedelta(days=400)
#: Letters about an order that state the period it bought.
_TELLS_PERIOD = ("order-confirmation", "receipt")


def decide(
    state: Correspondence, message: Envelope | TimePassed | MailOutcome, now: datetime
) -> tuple[Correspondence, tuple[Outgoing, ...]]:
    """The next state and what is said: retractions, then requests, then what waited too long."""
    if isinstance(message, Envelope):
        state = heard(state, message)
    desk = _Desk(state, message.cause_id, now)
    if isinstance(message, Envelope):
        desk.retract_untrue(message)
        desk.request(message)
    elif isinstance(message, MailOutcome):
        desk.close(message)
    desk.release()
    desk.give_up()
    return desk.result()


def next_deadline(state: Correspondence) -> datetime | None:
    """When the first waiting notice has waited long enough."""
    waits = [one.requested_at + CONTACT_WAIT for one in state.notices if one.status == "waiting"]
    return min(waits, default=None)


class _Desk:
    """The notices of one subscription while one message is decided."""

    def __init__(self, state: Correspondence, cause_id: UUID, now: datetime) -> None:
        self._state = state
        self._now = now
        self._notices = {notice.notice_id: notice for notice in state.notices}
        self._speaker = Speaker(SERVICE, cause_id, str(state.subscription_id), state.provider_id)

    def retract_untrue(self, envelope: Envelope) -> None:
        untrue = UNTRUE.get(type(envelope.data))
        if untrue is None:
            return
        for notice in [one for one in self._notices.values() if one.is_open]:
            if untrue(envelope.data, notice):
                self._settle(notice, "retracted", MailRetracted, cause=envelope.id)

    def request(self, envelope: Envelope) -> None:
        rule = requested_by(envelope.data)
        if rule is None:
            return
        id = notice_id(self._state.subscription_id, rule.kind, rule.key(envelope.data))
        known = self._notices.get(id)
        if id in self._state.forgotten or (known is not None and known.status != "retracted"):
            return
        fields = set(rule.fields)
        self._notices[id] = Notice(
            notice_id=id,
            kind=rule.kind,
            status="waiting",
            requested_by=envelope.id,
            requested_at=self._now,
            params={
                **envelope.data.model_dump(mode="json", exclude_none=True, include=fields),
                **rule.shows,
            },
            renews=getattr(envelope.data, "renews", None),
            end=getattr(envelope.data, "end", None),
        )

    def close(self, outcome: MailOutcome) -> None:
        notice = self._notices.get(outcome.notice_id)
        if notice is None:
            return
        # A retraction can come while the mail is on the wire: then the mail server is right.
        left_anyway = notice.status == "retracted" and outcome.outcome in ("accepted", "unknown")
        if not notice.is_open and not left_anyway:
            return
        match outcome.outcome:
            case "accepted":
                self._settle(notice, "accepted", MailAccepted)
            case "refused":
                self._settle(notice, "refused", MailRefused, smtp_code=outcome.smtp_code)
            case "suppressed":
                self._settle(notice, "suppressed", MailSuppressed, code=outcome.code)
            case "unknown":
                self._settle(notice, "unknown", MailUnknown)

    def release(self) -> None:
        for notice in self._waiting():
            if self._state.subscriber is not None and not self._awaits_period(notice):
                self._settle(notice, "queued", MailRequested)

    def give_up(self) -> None:
        for notice in self._waiting():
            if notice.requested_at + CONTACT_WAIT > self._now:
                continue
            if self._state.subscriber is None:
                self._settle(notice, "suppressed", MailSuppressed, code="NO_CONTACT")
            else:
                self._settle(notice, "queued", MailRequested)

    def result(self) -> tuple[Correspondence, tuple[Outgoing, ...]]:
        old = [
            notice.notice_id
            for notice in self._notices.values()
            if not notice.is_open and notice.requested_at + KEPT <= self._now
        ]
        state = self._state.model_copy(
            update={
                "notices": tuple(one for id, one in self._notices.items() if id not in old),
                "forgotten": (*self._state.forgotten, *old),
            }
        )
        return state, tuple(self._speaker.said)

    def _waiting(self) -> list[Notice]:
        return [notice for notice in self._notices.values() if notice.status == "waiting"]

    def _awaits_period(self, notice: Notice) -> bool:
        period = notice.params.get("period_id")
        return (
            notice.kind in _TELLS_PERIOD
            and isinstance(period, str)
            and self._state.period(UUID(period)) is None
        )

    def _settle(self, notice: Notice, status: Status, event: type[MailEvent], **more: Any) -> None:
        self._notices[notice.notice_id] = notice.model_copy(update={"status": status})
        self._speaker.say(
            event(
                notice_id=notice.notice_id,
                kind=notice.kind,
                requested_by=notice.requested_by,
                renews=notice.renews,
                end=notice.end,
                at=self._now,
                **more,
            ),
            self._now,
        )
