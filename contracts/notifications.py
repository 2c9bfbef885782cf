"""What became of each mail, without address or body. Topic `notifications.events`."""

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from contracts.base import Data
from contracts.values import Code, Instant, Ref

MailKind = Literal[
    "order-confirmation",
    "receipt",
    "renewal-reminder",
    "expiry-notice",
    "payment-failed",
    "cancellation",
    "cancellation-date-changed",
    "refund-requested",
    "refund-declined",
    "refund-initiated",
    "refund-settled",
    "refund-failed",
    "dispute-opened",
    "dispute-closed",
    "grace-started",
    "hold-started",
    "paused",
    "resumed",
    "recovered",
    "expired",
]


class MailEvent(Data):
    """One step of one notice; `requested_by` is the id of the event that asked for it."""

    notice_id: UUID
    kind: MailKind
    requested_by: Ref
    renews: UUID | None = None
    end: Instant | None = None
    at: Instant


class MailRequested(MailEvent):
    """A mail is to be sent."""

    TYPE: ClassVar[str] = "notifications.mail-requested.v1"


class MailAccepted(MailEvent):
    """The mail server took the mail."""

    TYPE: ClassVar[str] = "notifications.mail-accepted.v1"


class MailRefused(MailEvent):
    """The mail server refused the mail for good."""

    TYPE: ClassVar[str] = "notifications.mail-refused.v1"
    smtp_code: Annotated[int, Field(ge=400, le=599)]


class MailSuppressed(MailEvent):
    """The mail is not sent, with the reason, such as NO_CONTACT."""

    TYPE: ClassVar[str] = "notifications.mail-suppressed.v1"
    code: Code


class MailRetracted(MailEvent):
    """The mail is not sent, because what it would say is no longer true."""

    TYPE: ClassVar[str] = "notifications.mail-retracted.v1"
    cause: Ref


class MailUnknown(MailEvent):
    """The connection ended so that nobody can tell whether the mail was taken."""

    TYPE: ClassVar[str] = "notifications.mail-unknown.v1"


EVENTS: tuple[type[Data], ...] = (
    MailRequested,
    MailAccepted,
    MailRefused,
    MailSuppressed,
    MailRetracted,
    MailUnknown,
)
