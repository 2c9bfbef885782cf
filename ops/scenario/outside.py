"""The world outside in memory: a payment system that answers requests, and a mail server."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from contracts import notifications, payments
from contracts.envelope import Envelope
from contracts.topics import PAYMENTS_EVENTS
from devstack.behaviour import (
    DECLINES,
    PAYS,
    Attempt,
    Behaviour,
    Publication,
    charge_answers,
    refund_answer,
)
from ops.instants import parse_duration
from ops.scenario.format import USUAL, Answers
from services.notifications.domain.correspondence import MailOutcome
from services.notifications.verdicts import Attempt as MailAttempt
from services.notifications.verdicts import Verdict, closing

_CHARGES: dict[str, tuple[Attempt, ...]] = {"pays": PAYS, "declines": DECLINES, "silent": ()}
_MAIL = {
    "accepted": Verdict("accepted", 250),
    "refused": Verdict("refused", 550),
    "unknown": Verdict("unknown"),
}


def behaviour(answers: Answers) -> Behaviour:
    """How the payment system behaves by these answers."""
    charges = answers.charges or "pays"
    attempts: Sequence[Attempt] = (
        _CHARGES[charges]
        if isinstance(charges, str)
        else [Attempt(int(parse_duration(a.after).total_seconds()), a.outcome) for a in charges]
    )
    return Behaviour(
        charges=(tuple(attempts),),
        refund_answers=answers.refunds != "silent",
        refund_succeeds=answers.refunds != "fails",
    )


@dataclass(slots=True)
class _Mail:
    """A mail that is on its way."""

    due_at: datetime
    attempt: MailAttempt


class Outside:
    """Hears what we ask for and tells what became of it, each at its instant."""

    def __init__(self, answers: Answers) -> None:
        """Nothing was asked yet."""
        self._answers = answers.after(USUAL)
        self._publications: list[Publication] = []
        self._mails: dict[object, _Mail] = {}
        self._answered: set[object] = set()

    def answer(self, answers: Answers) -> None:
        """From now on requests are answered so."""
        self._answers = answers.after(self._answers)

    def hear(self, message: Envelope, now: datetime) -> None:
        """A request to the payment system, or a step of a mail."""
        data = message.data
        match data:
            case payments.ChargeWithdrawn():
                withdrawn = str(data.charge_id)
                self._publications = [p for p in self._publications if p.charge_id != withdrawn]
            case payments.ChargeRequested() | payments.RefundRequested():
                self._asked(message)
            case notifications.MailRequested():
                attempt = MailAttempt(data.notice_id, data.kind, 1, resent=False)
                self._mails[data.notice_id] = _Mail(now, attempt)
            case notifications.MailRetracted():
                self._mails.pop(data.notice_id, None)

    def _asked(self, message: Envelope) -> None:
        given = behaviour(self._answers)
        raw: dict[str, Any] = json.loads(message.to_json())["data"]
        provider, reference, at = message.providerid, message.subject, message.time
        if isinstance(message.data, payments.ChargeRequested):
            self._publications += charge_answers(provider, reference, raw, at, given.charges[0])
        elif given.refund_answers:
            self._publications.append(refund_answer(provider, reference, raw, at, given))

    def next_due_at(self) -> datetime | None:
        """The next instant at which something becomes of a request or a mail."""
        dues = [p.due_at for p in self._publications] + [m.due_at for m in self._mails.values()]
        return min(dues, default=None)

    def publishes(self, now: datetime) -> tuple[str, str, bytes] | None:
        """The next message of the payment system whose time has come."""
        due = [p for p in self._publications if p.due_at <= now]
        if not due:
            return None
        first = min(due, key=lambda p: p.due_at)
        self._publications.remove(first)
        value = json.dumps(first.message, separators=(",", ":")).encode()
        return PAYMENTS_EVENTS.name, first.key, value

    def mail_due(self, now: datetime) -> MailAttempt | None:
        """The attempt to send a mail whose time has come."""
        return next((mail.attempt for mail in self._mails.values() if mail.due_at <= now), None)

    def mail_ends(
        self, attempt: MailAttempt, spoilt: Verdict | None, now: datetime
    ) -> MailOutcome | None:
        """What became of a mail, `spoilt` if it could not leave; one that is tried again stays on its way."""
        verdict = spoilt or _MAIL[self._answers.mail or "accepted"]
        closed = closing(attempt, verdict)
        del self._mails[attempt.notice_id]
        if closed.report is None:
            again = MailAttempt(attempt.notice_id, attempt.kind, closed.attempts + 1, closed.resent)
            self._mails[attempt.notice_id] = _Mail(now + closed.delay, again)
        return closed.report
