"""What each floor process says on what it hears: Tenure's messages, with contents out of a drawer."""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid5

import asyncpg

from bench.floor_rows import Message, Out, State
from contracts.base import Data
from contracts.catalogue import ENVELOPES, decode
from contracts.envelope import Envelope
from contracts.payments import OrderPlaced
from contracts.topics import TOPIC_OF
from contracts.values import customer_id, subscription_id

_EXAMPLES = Path(__file__).resolve().parent.parent / "contracts" / "examples"
_CUSTOMERS = """
insert into customer (id, sequence, occurred_at)
select id, 1, $2 from unnest($1::uuid[]) as id order by id
on conflict (id) do update set sequence = customer.sequence + 1
"""
_CONTACTS = """
insert into contact (customer_id, sequence, name, email, locale, time_zone, region)
select id, 1, 'Ann Lee', 'ann.lee@example.com', 'en', 'Europe/Berlin', 'DE'
from unnest($1::uuid[]) as id order by id
on conflict (customer_id) do update set sequence = excluded.sequence
"""
# Due in the far future: the floor only keeps the ledger, nobody sends these.
_MAILS = """
insert into mail (notice_id, subscription_id, customer_id, kind, letter, requested_at, stage_at,
                  next_attempt_at)
select id, id, id, 'order-confirmation', $2::text::json, $3, $3, $4
from unnest($1::uuid[]) as id order by id on conflict do nothing
"""
Rows = Callable[[asyncpg.Connection, Sequence[Message]], Awaitable[None]]


@dataclass(frozen=True)
class Stage:
    """One floor process: what it reads, what it says per type heard, the rows beside the state."""

    name: str
    table: str
    topics: tuple[str, ...]
    #: Topics that only become rows.
    tables_of: tuple[str, ...]
    answers: dict[str, tuple[str, ...]]
    #: Bytes of a state body, as Tenure's measure after a paid order.
    body_bytes: int
    rows: Rows

    def key(self, envelope: Envelope) -> UUID:
        """The subscription that a message is about."""
        if envelope.source.startswith("/tenure/"):
            return UUID(envelope.subject)
        return subscription_id(envelope.providerid, envelope.subject)

    def said(self, heard: Envelope, state: State, now: datetime) -> list[Out]:
        """The messages that follow, in their envelopes; advances the state's sequences."""
        state.body = "x" * self.body_bytes
        types = self.answers.get(heard.type, ())
        return [self._out(type, heard, n, state, now) for n, type in enumerate(types)]

    def _out(self, type: str, heard: Envelope, number: int, state: State, now: datetime) -> Out:
        topic, key = TOPIC_OF[type].name, str(state.id)
        if isinstance(heard.data, OrderPlaced) and topic == "customers.contacts":
            key = str(customer_id(heard.providerid, heard.data.customer.customer_ref))
        id = uuid5(heard.cause_id, f"{self.name}:{number}")
        envelope = ENVELOPES[type](
            specversion="1.0",
            id=str(id),
            source=f"/tenure/{self.name}",
            type=type,
            subject=key,
            time=heard.time,
            recordedat=now,
            dataschema=f"urn:tenure:{type}",
            providerid=heard.providerid,
            correlationid=heard.correlationid or heard.id,
            causationid=heard.id,
            sequence=state.next_sequence(topic),
            policyversion="2020-01-01",
            data=_DRAWER[type],
        )
        return Out(topic, key, id, type, envelope.to_json())


def _drawer(stages: Sequence[Stage]) -> dict[str, Data]:
    types = {type for stage in stages for said in stage.answers.values() for type in said}
    return {type: decode((_EXAMPLES / f"{type}.json").read_bytes()).data for type in types}


async def _customers(connection: asyncpg.Connection, heard: Sequence[Message]) -> None:
    ids = {
        customer_id(m.envelope.providerid, m.envelope.data.customer.customer_ref)
        for m in heard
        if isinstance(m.envelope.data, OrderPlaced)
    }
    if ids:
        await connection.execute(_CUSTOMERS, sorted(ids), datetime.now(UTC))


async def _nothing(connection: asyncpg.Connection, heard: Sequence[Message]) -> None:
    """Licensing keeps no other rows."""


async def _mail(connection: asyncpg.Connection, heard: Sequence[Message]) -> None:
    contacts = {UUID(m.envelope.subject) for m in heard if m.topic == "customers.contacts"}
    if contacts:
        await connection.execute(_CONTACTS, sorted(contacts))
    mails = {UUID(m.envelope.subject) for m in heard if m.envelope.type in NOTIFICATIONS.answers}
    if mails:
        now = datetime.now(UTC)
        await connection.execute(_MAILS, sorted(mails), _LETTER, now, now + timedelta(days=365))


BILLING = Stage(
    "billing",
    "subscription",
    ("payments.events", "notifications.events"),
    (),
    {
        "payments.order-placed.v1": (
            "billing.subscription-created.v1",
            "billing.customer-contact.v1",
        ),
        "payments.payment-succeeded.v1": (
            "billing.payment-succeeded.v1",
            "billing.period-scheduled.v1",
        ),
    },
    1390,
    _customers,
)
LICENSING = Stage(
    "licensing",
    "license",
    ("billing.events",),
    (),
    {
        "billing.period-scheduled.v1": (
            "licensing.period-started.v1",
            "licensing.entitlement-granted.v1",
            "licensing.entitlement.v1",
        )
    },
    1150,
    _nothing,
)
NOTIFICATIONS = Stage(
    "notifications",
    "correspondence",
    ("billing.events", "licensing.events"),
    ("customers.contacts",),
    {"billing.period-scheduled.v1": ("notifications.mail-requested.v1",)},
    890,
    _mail,
)
STAGES = {stage.name: stage for stage in (BILLING, LICENSING, NOTIFICATIONS)}
_DRAWER = _drawer(tuple(STAGES.values()))
_LETTER = json.dumps({"text": "x" * 550})
