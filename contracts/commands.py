"""Commands of operators and customer pages: topic `billing.commands`. Each ends in an event that names its id."""

from datetime import date
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from contracts.base import Data, Frozen
from contracts.values import (
    Channel,
    Code,
    Digest,
    Instant,
    Money,
    PauseMode,
    Ref,
    Seats,
    Term,
    Text,
)


class Cancel(Data):
    """Switch automatic renewal off (S-37)."""

    TYPE: ClassVar[str] = "billing.cancel.v1"
    channel: Channel
    reason: Text | None = None


class Uncancel(Data):
    """Switch automatic renewal on again before the end."""

    TYPE: ClassVar[str] = "billing.uncancel.v1"
    channel: Channel


class Identity(Frozen):
    """What a customer knows about the purchase (S-43); name and e-mail only as keyed digests."""

    purchased_on: date
    name_digest: Digest
    email_digest: Digest


class RequestRefund(Data):
    """Pay one order back; `requested_at` is when the customer asked and decides the window and S-48."""

    TYPE: ClassVar[str] = "billing.request-refund.v1"
    order_id: Ref
    identity: Identity
    requested_at: Instant | None = None
    reason: Text | None = None


class ApproveRefund(Data):
    """An operator confirms a refund case; the refund is initiated at the same instant (Q10)."""

    TYPE: ClassVar[str] = "billing.approve-refund.v1"
    case_id: UUID
    operator: Text
    note: Text | None = None


class DeclineRefund(Data):
    """An operator closes a refund case without a refund, with a stable reason code."""

    TYPE: ClassVar[str] = "billing.decline-refund.v1"
    case_id: UUID
    operator: Text
    code: Code
    note: Text | None = None


class UndoRenewal(Data):
    """Cancel, and pay the renewal back whose period has not begun, without review (S-40, Q12)."""

    TYPE: ClassVar[str] = "billing.undo-renewal.v1"
    channel: Channel


class Pause(Data):
    """Pause until `resumes_at`; without `mode` the provider's usual one (S-03, Q17)."""

    TYPE: ClassVar[str] = "billing.pause.v1"
    channel: Channel
    mode: PauseMode | None = None
    resumes_at: Instant | None = None


class Resume(Data):
    """End the pause now, or drop one that has not begun."""

    TYPE: ClassVar[str] = "billing.resume.v1"
    channel: Channel


class ExtendPeriod(Data):
    """An operator gives days of goodwill: the current period ends later, what follows moves with it."""

    TYPE: ClassVar[str] = "billing.extend-period.v1"
    days: Annotated[int, Field(ge=1, le=366)]
    reason: Text
    operator: Text


class ChangeSettings(Data):
    """Change seats, term or product (S-01); `amount`: what renewals cost from then on."""

    TYPE: ClassVar[str] = "billing.change-settings.v1"
    channel: Channel
    seats: Seats | None = None
    term: Term | None = None
    product_id: Ref | None = None
    amount: Money | None = None


class EraseCustomer(Data):
    """Forget name and address of a customer everywhere; the subject is the customer_id."""

    TYPE: ClassVar[str] = "billing.erase-customer.v1"
    customer_id: UUID
    operator: Text


COMMANDS: tuple[type[Data], ...] = (
    Cancel,
    Uncancel,
    RequestRefund,
    ApproveRefund,
    DeclineRefund,
    UndoRenewal,
    Pause,
    Resume,
    ExtendPeriod,
    ChangeSettings,
    EraseCustomer,
)
