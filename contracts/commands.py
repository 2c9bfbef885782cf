"""Commands of operators and customer pages: topic `billing.commands`. Each ends in an event that names its id."""

from datetime import date
from typing import ClassVar
from uuid import UUID

from contracts.base import Data, Frozen
from contracts.values import Channel, Code, Digest, Instant, Ref, Text


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


COMMANDS: tuple[type[Data], ...] = (Cancel, Uncancel, RequestRefund, ApproveRefund, DeclineRefund)
