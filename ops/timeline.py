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
from ledger.access import Access, access_at
from ops.connection import Stack, find_stack
from ops.instants import parse_instant
from ops.masking import masked
from ops.records import read_keys
from ops.standing import Standing, read_history, standing
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


@dataclass(frozen=True)
class Life:
    """What is known of a subscription at an instant; `access` is None before anything was paid."""

    standing: Standing
    entries: list[Entry]
    access: Access | None


def timeline(
    subscription: Annotated[str, Parameter(help="Its id, R-1001, or online-store/R-1001.")],
    /,
    *,
    explain: Annotated[
        bool, Parameter(help="Why access is what it is: rules, causes and their events.")
    ] = False,
    at: Annotated[
        str | None,
        Parameter(
            help="An instant such as 2025-01-31T10:00, in business time: what had happened by then"
            " (also when it was told later), and access then. A later one than now: what follows if"
            " nothing happens."
        ),
    ] = None,
    json: Annotated[bool, Parameter(help="One JSON object.")] = False,
) -> None:
    """Show the life of one subscription: money, paid periods, access and mail on one time axis."""
    from ops.explanation import Explanation
    from ops.explanation_view import render
    from ops.timeline_view import header, table

    instant = parse_instant(at) if at else None
    life = run(fetch(find_stack(), subscription, instant))
    why = Explanation(life) if explain else None
    if json:
        told = {"explanation": why.to_json()} if why else {}
        emit({**life.standing.to_json(), **told, "entries": [e.to_json() for e in life.entries]})
        return
    out = console()
    out.print(header(life.standing))
    out.print(table(life.entries, life.standing))
    if why:
        out.print(render(why))


async def fetch(stack: Stack, given: str, at: datetime | None = None) -> Life:
    """The standing of a subscription and its messages in the order of business time; `at`: as of then.

    Raises NotFound with a suggestion for an unknown one, Unavailable.
    """
    from policies import load_policies

    policies = load_policies()
    async with stack.database() as connection:
        known = await find_subscription(connection, given)
        now = await read_now(connection, virtual=stack.virtual)
        history = await read_history(connection, known)
    keys = {topic.name: known.reference.encode() for topic in _BY_REFERENCE}
    keys |= {topic.name: str(known.id).encode() for topic in _BY_ID}
    told = entries(stack, await read_keys(stack, keys), known.provider_id)
    asked = at or now
    return Life(
        standing(known, history, policies, asked, clock=now if at else None),
        told if at is None else [entry for entry in told if entry.at <= at],
        access_at(history, lambda v: policies.stamped(known.provider_id, v), asked),
    )


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
