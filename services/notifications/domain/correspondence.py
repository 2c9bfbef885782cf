"""The state: all notices of one subscription, and the facts that their letters tell."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID, uuid5

from pydantic import JsonValue

from contracts.base import Frozen
from contracts.notifications import MailKind
from contracts.values import Instant, Plan, Ref

#: waiting: something that the letter needs is not known yet; queued: handed to the mail ledger.
Status = Literal["waiting", "queued", "accepted", "refused", "suppressed", "retracted", "unknown"]
#: Notices that a retraction can still reach.
OPEN: frozenset[Status] = frozenset({"waiting", "queued"})


class Subscriber(Frozen):
    """Who the letters go to and what they are about, from subscription-created."""

    reference: Ref
    customer_id: UUID
    plan: Plan
    billing_tz: Ref


class Period(Frozen):
    """A paid period, for the letters about the order that bought it."""

    period_id: UUID
    order_id: Ref
    start: Instant
    end: Instant | None = None
    refund_until: Instant | None = None


class Notice(Frozen):
    """One mail to one customer; `params` are what its letter shows of the requesting event."""

    notice_id: UUID
    kind: MailKind
    status: Status
    requested_by: Ref
    requested_at: Instant
    params: dict[str, JsonValue]
    renews: UUID | None = None
    end: Instant | None = None

    @property
    def is_open(self) -> bool:
        """Whether the mail has not met its end, as far as we know."""
        return self.status in OPEN


class Correspondence(Frozen):
    """Everything that notifications knows of one subscription."""

    subscription_id: UUID
    provider_id: str = ""
    subscriber: Subscriber | None = None
    auto_renew: bool = False
    periods: tuple[Period, ...] = ()
    notices: tuple[Notice, ...] = ()
    #: Ids of settled notices whose content was dropped; they still must not be sent again.
    forgotten: tuple[UUID, ...] = ()

    def notice(self, notice_id: UUID) -> Notice | None:
        """The notice with this id, unless it was never asked for or its content was dropped."""
        return next((one for one in self.notices if one.notice_id == notice_id), None)

    def period(self, period_id: UUID) -> Period | None:
        """The paid period with this id, if it is among the latest ones."""
        return next((one for one in self.periods if one.period_id == period_id), None)


def empty(subscription_id: UUID) -> Correspondence:
    """A subscription that nothing was heard of."""
    return Correspondence(subscription_id=subscription_id)


def notice_id(subscription_id: UUID, kind: MailKind, natural_key: str) -> UUID:
    """The id that makes it impossible for the same notice to exist twice."""
    return uuid5(subscription_id, f"{kind}\n{natural_key}")


@dataclass(frozen=True, slots=True)
class MailOutcome:
    """What the mailer found out about one notice; `code` goes with suppressed."""

    cause_id: UUID
    notice_id: UUID
    outcome: Literal["accepted", "refused", "suppressed", "unknown"]
    smtp_code: int | None = None
    code: str | None = None
    #: The trace that the attempt to send was part of.
    traceparent: str | None = None
