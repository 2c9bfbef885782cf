"""How correspondences, the mail ledger and the contacts are stored."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

from chassis.aggregate import Aggregate, Sequenced, Step
from chassis.postgres import Connection
from chassis.records import Record
from chassis.telemetry import log
from contracts.billing import CustomerContact
from contracts.envelope import Envelope
from contracts.errors import Impossible
from contracts.notifications import MailRequested, MailRetracted
from contracts.policy import Policies
from services.notifications.domain.correspondence import Correspondence, Notice, empty
from services.notifications.domain.decide import decide, next_deadline
from services.notifications.domain.facts import CHANGES_LETTERS
from services.notifications.domain.letter import letter

# A retracted notice that is asked for again takes up its old row, so it can never be sent twice.
_QUEUE = """
insert into mail (notice_id, subscription_id, customer_id, kind, letter, requested_at, traceparent,
                  stage_at, next_attempt_at)
select notice_id, subscription_id, customer_id, kind, letter::json, requested_at, traceparent, $8, $8
from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::timestamptz[],
            $7::text[])
    as new (notice_id, subscription_id, customer_id, kind, letter, requested_at, traceparent)
on conflict (notice_id) do update
set letter = excluded.letter, requested_at = excluded.requested_at, outcome = null,
    traceparent = case mail.outcome when 'retracted' then excluded.traceparent else mail.traceparent end,
    status = case mail.status when 'done' then 'queued' else mail.status end,
    next_attempt_at = case mail.status when 'done' then $8 else mail.next_attempt_at end
where mail.status = 'queued' or mail.outcome = 'retracted'
"""
_RETRACT = """
update mail
set outcome = 'retracted', stage_at = $2,
    status = case mail.status when 'queued' then 'done' else mail.status end
where notice_id = any($1::uuid[]) and status <> 'done'
"""
# Without a sequence (a tombstone made by hand) an erasure counts as the newest word.
_CONTACTS = """
insert into contact (customer_id, sequence, erased, name, email, locale, time_zone, region)
select * from unnest($1::uuid[], $2::bigint[], $3::bool[], $4::text[], $5::text[], $6::text[],
                     $7::text[], $8::text[]) order by 1
on conflict (customer_id) do update
set sequence = greatest(contact.sequence, excluded.sequence), erased = excluded.erased,
    name = excluded.name, email = excluded.email, locale = excluded.locale,
    time_zone = excluded.time_zone, region = excluded.region
where contact.sequence < excluded.sequence or excluded.sequence = 0
"""
_SEQUENCE_HEADER = "ce_sequence"


def correspondences(policies: Policies) -> Aggregate[Correspondence]:
    """The aggregate of notifications: how a correspondence is found, decided and stored."""
    return Aggregate(
        table="correspondence",
        empty=empty,
        decode=Correspondence.model_validate_json,
        encode=lambda state: state.model_dump_json(exclude_defaults=True),
        key_of=key_of,
        decide=decide,
        next_deadline=next_deadline,
        project=partial(project, policies),
    )


def key_of(message: Envelope) -> UUID:
    """The subscription that a message is about. Raises Impossible when the subject is no id."""
    try:
        return UUID(message.subject)
    except ValueError:
        raise Impossible("invalid_subject", "The subject is no subscription id.") from None


async def project(
    policies: Policies,
    connection: Connection,
    steps: Sequence[Step],
    states: Mapping[UUID, Correspondence],
    now: datetime,
) -> Sequence[Sequenced]:
    """Keep the mail ledger: queue what was requested, refresh unsent letters, take back."""
    touched: dict[UUID, UUID] = {}
    traces: dict[UUID, str | None] = {}
    retracted: list[UUID] = []
    for step in steps:
        for outgoing in step.said:
            if isinstance(outgoing.data, MailRequested):
                touched[outgoing.data.notice_id] = step.id
                traces[outgoing.data.notice_id] = step.message.traceparent
            elif isinstance(outgoing.data, MailRetracted):
                retracted.append(outgoing.data.notice_id)
        if isinstance(step.message, Envelope) and isinstance(step.message.data, CHANGES_LETTERS):
            touched.update((notice.notice_id, step.id) for notice in states[step.id].notices)
    if retracted:
        await connection.execute(_RETRACT, sorted(retracted), now)
    rows = [
        (*_row(states[id], notice, policies, now), traces.get(notice_id))
        for notice_id, id in sorted(touched.items())
        if (notice := states[id].notice(notice_id)) is not None and notice.status == "queued"
    ]
    if rows:
        await connection.execute(_QUEUE, *map(list, zip(*rows, strict=True)), now)
    return ()


def _row(
    state: Correspondence, notice: Notice, policies: Policies, now: datetime
) -> tuple[UUID, UUID, UUID, str, str, datetime]:
    if state.subscriber is None:
        raise ValueError("a queued notice has a subscriber")
    return (
        notice.notice_id,
        state.subscription_id,
        state.subscriber.customer_id,
        notice.kind,
        json.dumps(letter(state, notice, policies, now)),
        notice.requested_at,
    )


async def contacts(connection: Connection, records: Sequence[Record]) -> None:
    """Keep the latest contact of each customer; the highest sequence wins, a tombstone erases.

    Mails to an erased customer are suppressed by the mailer when their turn comes.
    """
    newest: dict[UUID, tuple[int, CustomerContact | None]] = {}
    for record in records:
        if record.value is not None and record.envelope is None:
            log.error("a contact cannot be read", partition=record.partition, offset=record.offset)
            continue
        customer, sequence, contact = _contact(record)
        known = newest.get(customer)
        if known is None or known[0] < sequence or sequence == 0:
            newest[customer] = (sequence, contact)
    rows = [
        (id, sequence, contact is None, *_fields(contact))
        for id, (sequence, contact) in sorted(newest.items())
    ]
    if rows:
        await connection.execute(_CONTACTS, *map(list, zip(*rows, strict=True)))


def _contact(record: Record) -> tuple[UUID, int, CustomerContact | None]:
    envelope = record.envelope
    if envelope is not None and isinstance(envelope.data, CustomerContact):
        return envelope.data.customer_id, envelope.sequence or 0, envelope.data
    headers = dict(record.headers)
    return UUID((record.key or b"").decode()), int(headers.get(_SEQUENCE_HEADER) or b"0"), None


def _fields(contact: CustomerContact | None) -> tuple[str | None, ...]:
    if contact is None:
        return (None,) * 5
    return contact.name, contact.email, contact.locale, contact.time_zone, contact.region
