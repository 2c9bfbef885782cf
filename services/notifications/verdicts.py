"""What became of one attempt to send, and what follows from it. Pure."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal
from uuid import UUID, uuid5

from contracts.notifications import MailKind
from services.notifications.domain.correspondence import MailOutcome
from services.notifications.domain.rules import AFTER_UNKNOWN

_MINUTES = (1, 2, 5, 15, 30, *[60] * 119)
#: How long to wait after each temporary failure: 1 minute to an hour, then hourly up to 5 days.
RETRIES: tuple[timedelta, ...] = tuple(timedelta(minutes=minutes) for minutes in _MINUTES)
#: "Service not available": what a broken connection counts as when no code was given.
NO_REPLY = 421


End = Literal["accepted", "refused", "unknown", "suppressed"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """later: refused for now; unknown: it ended without a reply; untried: nothing left us."""

    what: End | Literal["later", "untried"]
    smtp_code: int | None = None
    code: str | None = None
    #: The trace that the attempt was part of.
    traceparent: str | None = None


UNTRIED = Verdict("untried")
UNKNOWN = Verdict("unknown")
#: The connection broke before any of the payload was sent.
BROKEN = Verdict("later", NO_REPLY)


def of_reply(smtp_code: int) -> Verdict | None:
    """The verdict of a final SMTP reply; None when the code says neither yes nor no."""
    if 200 <= smtp_code < 300:
        return Verdict("accepted", smtp_code)
    if 400 <= smtp_code < 500:
        return Verdict("later", smtp_code)
    if 500 <= smtp_code < 600:
        return Verdict("refused", smtp_code)
    return None


@dataclass(frozen=True, slots=True)
class Attempt:
    """Which attempt at which mail: `number` counts from 1, `resent` after an unknown end."""

    notice_id: UUID
    kind: MailKind
    number: int
    resent: bool


@dataclass(frozen=True, slots=True)
class Closing:
    """How the ledger row goes on, and what the domain is told if this was the end."""

    notice_id: UUID
    status: Literal["queued", "done"]
    attempts: int
    resent: bool
    delay: timedelta
    smtp_code: int | None = None
    report: MailOutcome | None = None

    @property
    def outcome(self) -> str | None:
        """What became of the mail, once that is settled."""
        return self.report.outcome if self.report else None


def closing(attempt: Attempt, verdict: Verdict) -> Closing:
    """What follows from a verdict: the end, or another attempt after a delay of business time."""
    if verdict.what == "untried":
        return _again(attempt, timedelta(0), verdict, attempts=attempt.number - 1)
    if verdict.what == "later":
        if attempt.number > len(RETRIES):
            return _end(attempt, "refused", verdict)
        return _again(attempt, RETRIES[attempt.number - 1], verdict)
    if verdict.what == "unknown" and AFTER_UNKNOWN[attempt.kind].resend and not attempt.resent:
        return _again(attempt, RETRIES[0], verdict, resent=True)
    return _end(attempt, verdict.what, verdict)


def _again(
    attempt: Attempt,
    delay: timedelta,
    verdict: Verdict,
    *,
    attempts: int | None = None,
    resent: bool = False,
) -> Closing:
    return Closing(
        attempt.notice_id,
        "queued",
        attempt.number if attempts is None else attempts,
        attempt.resent or resent,
        delay,
        verdict.smtp_code,
    )


def _end(attempt: Attempt, outcome: End, verdict: Verdict) -> Closing:
    report = MailOutcome(
        cause_id=uuid5(attempt.notice_id, f"attempt {attempt.number}"),
        notice_id=attempt.notice_id,
        outcome=outcome,
        smtp_code=verdict.smtp_code,
        code=verdict.code,
        traceparent=verdict.traceparent,
    )
    return Closing(
        attempt.notice_id,
        "done",
        attempt.number,
        attempt.resent,
        timedelta(0),
        verdict.smtp_code,
        report,
    )
