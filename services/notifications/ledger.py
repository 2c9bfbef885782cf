"""The mail ledger in SQL: which mails are due, started, closed. `now` is business time."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from chassis.postgres import Connection
from contracts.notifications import MailKind
from services.notifications.domain.decide import CONTACT_WAIT
from services.notifications.verdicts import Attempt, Closing

_DUE = """
    from mail left join contact using (customer_id)
    where mail.status = 'queued' and mail.next_attempt_at <= $1
      and (contact.customer_id is not null or mail.requested_at <= $2)
"""
_ANY_DUE = f"select exists (select 1 {_DUE})"
_RETURNING = """
    returning mail.notice_id, mail.subscription_id, mail.customer_id, mail.kind, mail.letter::text,
              mail.attempts, mail.resent, mail.message_id, mail.traceparent
"""
_START = f"""
with due as (
    select mail.notice_id {_DUE}
    order by mail.next_attempt_at limit $3
    for update of mail skip locked
), started as (
    update mail
    set status = 'started', stage_at = $1, attempts = attempts + 1, claim = $4,
        claimed_until = clock_timestamp() + $5::interval,
        message_id = coalesce(message_id, '<' || mail.notice_id || '@' || $6 || '>')
    from due where mail.notice_id = due.notice_id
    {_RETURNING}
)
select started.*, contact.erased, contact.name, contact.email, contact.locale, contact.time_zone
from started left join contact using (customer_id)
"""
_TAKE_OVER = f"""
with lost as (
    select notice_id from mail
    where status = 'started' and claimed_until < clock_timestamp()
    order by claimed_until limit $1
    for update skip locked
)
update mail set claim = $2, claimed_until = clock_timestamp() + $3::interval
from lost where mail.notice_id = lost.notice_id
{_RETURNING}
"""
_EXTEND = """
update mail set claimed_until = clock_timestamp() + $2::interval
where status = 'started' and claim = any($1::uuid[])
  and claimed_until < clock_timestamp() + $2::interval / 2
"""
# The states come first, in id order, as everywhere: locks taken in one order cannot deadlock.
_LOCK_STATES = "select 1 from correspondence where id = any($1::uuid[]) order by id for update"
_CLOSE = """
update mail
set status = case when mail.outcome is null then new.status else 'done' end,
    outcome = coalesce(new.outcome, mail.outcome),
    stage_at = $8::timestamptz, attempts = new.attempts, resent = new.resent,
    smtp_code = new.smtp_code,
    next_attempt_at = $8::timestamptz + new.delay, claim = null, claimed_until = null
from unnest($2::uuid[], $3::text[], $4::text[], $5::int[], $6::bool[], $7::interval[], $9::int[])
    as new (notice_id, status, outcome, attempts, resent, delay, smtp_code)
where mail.notice_id = new.notice_id and mail.claim = $1 and mail.status = 'started'
"""


@dataclass(frozen=True, slots=True)
class Contact:
    """Where a mail goes; an erased customer has no address any more."""

    erased: bool
    name: str
    email: str
    locale: str
    time_zone: str | None


@dataclass(frozen=True, slots=True)
class StartedMail:
    """A mail that this worker alone may send now."""

    attempt: Attempt
    subscription_id: UUID
    message_id: str
    letter: Mapping[str, Any]
    contact: Contact | None
    #: The trace of the message that asked for it.
    traceparent: str | None = None


async def any_due(connection: Connection, now: datetime) -> bool:
    """Whether there is a mail to send, or one whose wait for a contact is over."""
    return bool(await connection.fetchval(_ANY_DUE, now, now - CONTACT_WAIT))


async def start(
    connection: Connection,
    claim: UUID,
    now: datetime,
    *,
    limit: int,
    lease: timedelta,
    message_id_domain: str,
) -> list[StartedMail]:
    """Mark the most urgent due mails as started; they are ours once this is committed."""
    rows = await connection.fetch(
        _START, now, now - CONTACT_WAIT, limit, claim, lease, message_id_domain
    )
    return [_started(row, _contact(row)) for row in rows]


async def take_over(
    connection: Connection, claim: UUID, *, limit: int, lease: timedelta
) -> list[StartedMail]:
    """Claim started mails whose worker is gone: nobody knows whether they left."""
    return [_started(row, None) for row in await connection.fetch(_TAKE_OVER, limit, claim, lease)]


async def extend(connection: Connection, claims: Collection[UUID], lease: timedelta) -> None:
    """Keep our claims while a mail server takes its time."""
    await connection.execute(_EXTEND, list(claims), lease)


async def close(
    connection: Connection,
    claim: UUID,
    mails: Sequence[StartedMail],
    closings: Sequence[Closing],
    now: datetime,
) -> bool:
    """Let the rows go on as the closings say; False when a row is not ours any more.

    Locks the states of the subscriptions first.
    """
    await connection.execute(_LOCK_STATES, [mail.subscription_id for mail in mails])
    closed = await connection.execute(
        _CLOSE,
        claim,
        [one.notice_id for one in closings],
        [one.status for one in closings],
        [one.outcome for one in closings],
        [one.attempts for one in closings],
        [one.resent for one in closings],
        [one.delay for one in closings],
        now,
        [one.smtp_code for one in closings],
    )
    return closed == f"UPDATE {len(closings)}"


def _contact(row: asyncpg.Record) -> Contact | None:
    if row["erased"] is None:
        return None
    return Contact(
        row["erased"], row["name"] or "", row["email"] or "", row["locale"] or "", row["time_zone"]
    )


def _started(row: asyncpg.Record, contact: Contact | None) -> StartedMail:
    kind: MailKind = row["kind"]
    return StartedMail(
        Attempt(row["notice_id"], kind, row["attempts"], row["resent"]),
        row["subscription_id"],
        row["message_id"],
        json.loads(row["letter"]),
        contact,
        row["traceparent"],
    )
