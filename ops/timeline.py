"""`tenure timeline`: money, periods, access and mail of one subscription on one time axis."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from aiokafka import ConsumerRecord
from cyclopts import Parameter

from contracts import billing, commands, licensing, notifications, payments
from contracts.base import Data
from contracts.envelope import Envelope
from contracts.topics import (
    BILLING_COMMANDS,
    BILLING_EVENTS,
    LICENSING_EVENTS,
    NOTIFICATIONS_EVENTS,
    PAYMENTS_EVENTS,
    PAYMENTS_REQUESTS,
)
from ops.connection import Stack, find_stack
from ops.masking import masked
from ops.records import read_keys
from ops.standing import Standing, read_standing
from ops.subscriptions import find_subscription
from ops.tail_lines import understood
from ops.terminal import console, emit, run
from ops.work import read_now

Lane = Literal["money", "periods", "access", "mail"]
LANES: tuple[Lane, ...] = ("money", "periods", "access", "mail")
_BY_REFERENCE = (PAYMENTS_EVENTS, PAYMENTS_REQUESTS)
_BY_ID = (BILLING_COMMANDS, BILLING_EVENTS, LICENSING_EVENTS, NOTIFICATIONS_EVENTS)
#: At one instant a cause stands before its effect.
_RANK = {topic.name: rank for rank, topic in enumerate((*_BY_REFERENCE, *_BY_ID))}
_MONEY = (
    payments.OrderPlaced,
    payments.PaymentSucceeded,
    payments.PaymentFailed,
    payments.RefundSucceeded,
    payments.RefundFailed,
    payments.ChargeRequested,
    payments.ChargeWithdrawn,
    payments.RefundRequested,
    payments.DisputeEvent,
    billing.PaymentSucceeded,
    billing.PaymentFailed,
    billing.PaymentRefused,
    billing.RefundEvent,
    billing.DisputeEvent,
    commands.RequestRefund,
    commands.ApproveRefund,
    commands.DeclineRefund,
)
#: Told a second time for their readers: the requests to the payment system say the same.
_ECHOES = (billing.RenewalChargeRequested, billing.RenewalChargeWithdrawn)


@dataclass(frozen=True)
class Entry:
    """One message of the subscription at its business time."""

    at: datetime
    lane: Lane
    topic: str
    message: Envelope

    def to_json(self) -> dict[str, Any]:
        """The entry as plain data, personal data hidden."""
        data = masked(self.message.data).model_dump(mode="json", exclude_none=True)
        return {
            "at": self.at,
            "lane": self.lane,
            "topic": self.topic,
            "id": self.message.id,
            "type": self.message.type,
            "data": data,
        }


def timeline(
    subscription: Annotated[str, Parameter(help="Its id, R-1001, or online-store/R-1001.")],
    /,
    *,
    json: Annotated[bool, Parameter(help="One JSON object.")] = False,
) -> None:
    """Show the life of one subscription: money, paid periods, access and mail on one time axis."""
    from ops.timeline_view import header, table

    standing, entries = run(fetch(find_stack(), subscription))
    if json:
        emit({**standing.to_json(), "entries": [entry.to_json() for entry in entries]})
        return
    out = console()
    out.print(header(standing))
    out.print(table(entries, standing))


async def fetch(stack: Stack, given: str) -> tuple[Standing, list[Entry]]:
    """The standing of a subscription and its messages in the order of business time.

    Raises NotFound with a suggestion for an unknown one, Unavailable.
    """
    from policies import load_policies

    async with stack.database() as connection:
        known = await find_subscription(connection, given)
        now = await read_now(connection, virtual=stack.virtual)
        standing = await read_standing(connection, known, load_policies(), now)
    keys = {topic.name: known.reference.encode() for topic in _BY_REFERENCE}
    keys |= {topic.name: str(known.id).encode() for topic in _BY_ID}
    records = await read_keys(stack, keys)
    return standing, entries(stack, records, known.provider_id)


def entries(stack: Stack, records: Iterable[ConsumerRecord], provider_id: str) -> list[Entry]:
    """Records as entries, by business time; another provider may use the same reference."""
    found: list[tuple[datetime, int, int, int, Entry]] = []
    seen: set[tuple[str, str]] = set()
    for record in records:
        message = understood(record.value)
        if message is None or message.providerid != provider_id:
            continue
        if not told_once(message.data) or (message.source, message.id) in seen:
            continue
        seen.add((message.source, message.id))
        topic = stack.plain_topic(record.topic)
        entry = Entry(business_time(message), lane_of(message.data), topic, message)
        found.append((entry.at, _RANK[topic], record.timestamp, record.offset, entry))
    return [entry for *_, entry in sorted(found, key=lambda each: each[:4])]


def told_once(data: Data) -> bool:
    """Whether a timeline shows it: what says the same as another message is left out."""
    return not isinstance(data, _ECHOES)


def business_time(message: Envelope) -> datetime:
    """When what a message tells became true."""
    match message.data:
        case billing.BillingEvent() | licensing.LicensingEvent():
            return message.data.effective_at
        case notifications.MailEvent():
            return message.data.at
    return message.time


def lane_of(data: Data) -> Lane:
    """The column that a message stands in."""
    if isinstance(data, _MONEY):
        return "money"
    if isinstance(data, licensing.LicensingEvent):
        return "access"
    if isinstance(data, notifications.MailEvent):
        return "mail"
    return "periods"
