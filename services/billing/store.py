"""How billing's subscriptions, customers, refund cases and command answers are stored."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from chassis.aggregate import Aggregate, Sequenced, Step, Tombstone
from chassis.postgres import Connection
from contracts.billing import BillingEvent, CustomerContact, RefundDeclined, RefundEvent
from contracts.commands import EraseCustomer
from contracts.envelope import Envelope, effect_id
from contracts.errors import Impossible
from contracts.outgoing import Outgoing
from contracts.payments import OrderPlaced
from contracts.policy import Policies
from contracts.topics import BILLING_COMMANDS, PAYMENTS_EVENTS, TOPIC_OF
from contracts.values import customer_id, subscription_id
from services.billing.alerts import alert
from services.billing.domain.decide import decide, next_deadline
from services.billing.domain.subscription import STORED, Subscription

_CUSTOMERS = """
insert into customer (id, sequence, occurred_at)
select id, 1, occurred_at from unnest($1::uuid[], $2::timestamptz[]) as new (id, occurred_at)
order by id
on conflict (id) do update
set sequence = customer.sequence + 1, occurred_at = excluded.occurred_at
where greatest(customer.occurred_at, customer.erased_at) < excluded.occurred_at
returning id, sequence
"""

# Also of a customer whom nobody knows yet: an older order that comes later must not bring them back.
_ERASED = """
insert into customer (id, sequence, occurred_at, erased_at)
select id, times, $3, $3 from unnest($1::uuid[], $2::bigint[]) as new (id, times)
order by id
on conflict (id) do update
set sequence = customer.sequence + excluded.sequence, erased_at = excluded.erased_at
returning id, sequence
"""

_CASES = """
insert into refund_case (case_id, subscription_id, order_id, status, code, amount_minor, currency,
                         effect, requested_at, changed_at)
select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::bigint[],
                     $7::text[], $8::text[], $9::timestamptz[], $10::timestamptz[])
on conflict (case_id) do update
set status = excluded.status, code = excluded.code, effect = excluded.effect,
    changed_at = excluded.changed_at
"""

_ANSWERS = """
insert into command_answer (command_id, subscription_id, event_id, type, data, answered_at)
select command_id, subscription_id, event_id, type, data::json, $6
from unnest($1::text[], $2::uuid[], $3::uuid[], $4::text[], $5::text[])
    as new (command_id, subscription_id, event_id, type, data)
on conflict (command_id) do nothing
"""


def subscriptions(policies: Policies, digest_key: bytes) -> Aggregate[Subscription]:
    """The aggregate of billing: how a subscription is found, decided and stored."""
    return Aggregate(
        table="subscription",
        empty=lambda id: Subscription(subscription_id=id),
        decode=STORED.validate_json,
        encode=lambda state: STORED.dump_json(state, exclude_none=True).decode(),
        key_of=key_of,
        decide=lambda state, message, now: decide(state, message, policies, digest_key, now),
        next_deadline=next_deadline,
        project=project,
    )


def key_of(message: Envelope) -> UUID:
    """The subscription that a message is about: upstream uses its own reference, we use the id.

    An erasure is about a customer, whose id stands in for it. Raises Impossible when the subject should
    be an id and is none, or names another customer than the command.
    """
    if TOPIC_OF[message.type] is PAYMENTS_EVENTS:
        return subscription_id(message.providerid, message.subject)
    try:
        id = UUID(message.subject)
    except ValueError:
        raise Impossible("invalid_subject", "The subject is no subscription id.") from None
    if isinstance(message.data, EraseCustomer) and message.data.customer_id != id:
        raise Impossible("invalid_subject", "The subject is not the customer_id of the erasure.")
    return id


async def project(
    connection: Connection,
    steps: Sequence[Step],
    states: Mapping[UUID, Subscription],
    now: datetime,
) -> Sequence[Sequenced | Tombstone]:
    """Keep refund cases and command answers for readers; number the customers' contacts and erasures."""
    alert(steps)
    await _keep_cases(connection, steps)
    await _keep_answers(connection, steps, now)
    erased = await _erasures(connection, steps, now)
    return [*erased, *await _contacts(connection, steps)]


async def _keep_cases(connection: Connection, steps: Sequence[Step]) -> None:
    latest: dict[UUID, tuple[UUID, RefundEvent]] = {}
    for step in steps:
        for outgoing in step.said:
            if isinstance(outgoing.data, RefundEvent):
                latest[outgoing.data.case_id] = (step.id, outgoing.data)
    if not latest:
        return
    rows = [
        (
            case_id,
            subscription,
            event.order_id,
            event.TYPE.split(".")[1].removeprefix("refund-"),
            event.code if isinstance(event, RefundDeclined) else None,
            event.amount.minor,
            event.amount.currency,
            event.effect,
            event.requested_at,
            event.effective_at,
        )
        for case_id, (subscription, event) in sorted(latest.items())
    ]
    await connection.execute(_CASES, *map(list, zip(*rows, strict=True)))


async def _keep_answers(connection: Connection, steps: Sequence[Step], now: datetime) -> None:
    rows = []
    for step in steps:
        message = step.message
        if not isinstance(message, Envelope) or TOPIC_OF[message.type] is not BILLING_COMMANDS:
            continue
        answer = _answer(message, step.said)
        if answer:
            body = answer.data.model_dump_json(exclude_none=True)
            rows.append((message.id, step.id, answer.id, answer.data.TYPE, body))
    if rows:
        await connection.execute(_ANSWERS, *map(list, zip(*rows, strict=True)), now)


def _answer(message: Envelope, said: tuple[Outgoing, ...]) -> Outgoing | None:
    """The event that answers a command: the one that tells its fact, else the first thing said."""
    told = [o for o in said if isinstance(o.data, BillingEvent)]
    for outgoing in told:
        if isinstance(outgoing.data, BillingEvent) and outgoing.data.fact_id == message.cause_id:
            return outgoing
    return told[0] if told else None


async def _erasures(
    connection: Connection, steps: Sequence[Step], now: datetime
) -> Sequence[Tombstone]:
    """A tombstone for each erasure; it wins over every contact that was ordered with before `now`."""
    asked: dict[UUID, list[Envelope]] = {}
    for step in steps:
        if isinstance(step.message, Envelope) and isinstance(step.message.data, EraseCustomer):
            asked.setdefault(step.id, []).append(step.message)
    if not asked:
        return ()
    ids = sorted(asked)
    rows = await connection.fetch(_ERASED, ids, [len(asked[id]) for id in ids], now)
    return [
        Tombstone(
            effect_id(message.cause_id, "billing", "erased"),
            CustomerContact.TYPE,
            str(row["id"]),
            message.providerid,
            message.time,
            row["sequence"] - later,
            message,
        )
        for row in rows
        for later, message in zip(
            reversed(range(len(asked[row["id"]]))), asked[row["id"]], strict=True
        )
    ]


async def _contacts(connection: Connection, steps: Sequence[Step]) -> Sequence[Sequenced]:
    """The newest contact of each customer; customers are locked after the subscriptions, in id order."""
    newest: dict[UUID, Envelope] = {}
    for step in steps:
        message = step.message
        if isinstance(message, Envelope) and isinstance(message.data, OrderPlaced):
            id = customer_id(message.providerid, message.data.customer.customer_ref)
            if id not in newest or newest[id].time < message.time:
                newest[id] = message
    if not newest:
        return ()
    ids = sorted(newest)
    numbered = await connection.fetch(_CUSTOMERS, ids, [newest[id].time for id in ids])
    return [
        Sequenced(_contact(row["id"], newest[row["id"]]), row["sequence"], newest[row["id"]])
        for row in numbered
    ]


def _contact(id: UUID, message: Envelope) -> Outgoing:
    order = message.data
    if not isinstance(order, OrderPlaced):
        raise TypeError("contacts come with orders")
    customer = order.customer
    contact = CustomerContact(
        customer_id=id,
        name=customer.name,
        email=customer.email,
        locale=customer.locale,
        time_zone=customer.time_zone,
        region=customer.region,
    )
    event_id = effect_id(message.cause_id, "billing", "contact")
    return Outgoing(event_id, contact, str(id), message.providerid, message.time)
