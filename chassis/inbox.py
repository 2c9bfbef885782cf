"""The inbox: each message has its effect once. A claim is made in the transaction of its effect."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from chassis.postgres import Connection
from chassis.records import Incoming, Place

Status = Literal["done", "held", "parked"]
Mark = tuple[str, str]

_CLAIM = """
insert into inbox (consumer, source, id, sha, topic, partition, "offset", status)
select $1, source, id, sha, topic, partition, "offset", status
from unnest($2::text[], $3::text[], $4::bytea[], $5::text[], $6::int[], $7::bigint[], $8::text[])
    as new (source, id, sha, topic, partition, "offset", status)
order by source, id
on conflict do nothing
returning source, id
"""

_KNOWN = """
select inbox.source, inbox.id, sha, topic, partition, "offset", status
from inbox join unnest($2::text[], $3::text[]) as wanted (source, id)
    on inbox.source = wanted.source and inbox.id = wanted.id
where consumer = $1
"""

_SETTLE = """
update inbox set status = new.status, sha = coalesce(new.sha, inbox.sha),
    topic = coalesce(new.topic, inbox.topic), partition = coalesce(new.partition, inbox.partition),
    "offset" = coalesce(new."offset", inbox."offset")
from unnest($2::text[], $3::text[], $4::text[], $5::bytea[], $6::text[], $7::int[], $8::bigint[])
    as new (source, id, status, sha, topic, partition, "offset")
where inbox.consumer = $1 and inbox.source = new.source and inbox.id = new.id
"""

_PARKED_AT = """
select source, id, topic, partition, "offset", attempts
from inbox join unnest($2::text[], $3::int[], $4::bigint[]) as wanted (topic, partition, "offset")
    using (topic, partition, "offset")
where consumer = $1 and status = 'parked'
order by source, id for update of inbox
"""

_COUNT_ATTEMPTS = """
update inbox set attempts = new.attempts
from unnest($2::text[], $3::text[], $4::int[]) as new (source, id, attempts)
where inbox.consumer = $1 and inbox.source = new.source and inbox.id = new.id
"""


@dataclass(frozen=True, slots=True)
class Known:
    """A message that the inbox holds already."""

    sha: bytes
    place: Place
    status: Status


@dataclass(frozen=True, slots=True)
class Parked:
    """A dead letter that nobody settled yet, and how often it was refused."""

    mark: Mark
    attempts: int


@dataclass(frozen=True, slots=True)
class Settled:
    """How a row changes; `sha` and `place` when another message took its place."""

    status: Status
    sha: bytes | None = None
    place: Place | None = None


async def claim(
    connection: Connection, consumer: str, incoming: Sequence[Incoming], place: bool = False
) -> set[Mark]:
    """Claim messages and return the marks that are new; `place` claims them by their place instead."""
    marks = [i.place_mark if place else i.mark for i in incoming]
    rows = await connection.fetch(
        _CLAIM,
        consumer,
        [mark[0] for mark in marks],
        [mark[1] for mark in marks],
        [i.sha for i in incoming],
        [i.record.topic for i in incoming],
        [i.record.partition for i in incoming],
        [i.record.offset for i in incoming],
        ["parked" if i.problem else "done" for i in incoming],
    )
    return {(row["source"], row["id"]) for row in rows}


async def known(connection: Connection, consumer: str, marks: Sequence[Mark]) -> dict[Mark, Known]:
    """What the inbox knows about these marks."""
    rows = await connection.fetch(_KNOWN, consumer, [m[0] for m in marks], [m[1] for m in marks])
    return {
        (row["source"], row["id"]): Known(
            row["sha"], (row["topic"], row["partition"], row["offset"]), row["status"]
        )
        for row in rows
    }


async def settle(connection: Connection, consumer: str, changes: Mapping[Mark, Settled]) -> None:
    """Move messages to another status, with their new content and place where those changed."""
    if not changes:
        return
    settled = list(changes.values())
    places = [one.place or (None, None, None) for one in settled]
    await connection.execute(
        _SETTLE,
        consumer,
        [mark[0] for mark in changes],
        [mark[1] for mark in changes],
        [one.status for one in settled],
        [one.sha for one in settled],
        *(list(column) for column in zip(*places, strict=True)),
    )


async def count_attempts(
    connection: Connection, consumer: str, attempts: Mapping[Mark, int]
) -> None:
    """Remember how often dead letters were refused by now."""
    if attempts:
        await connection.execute(
            _COUNT_ATTEMPTS,
            consumer,
            [mark[0] for mark in attempts],
            [mark[1] for mark in attempts],
            list(attempts.values()),
        )


async def parked_at(
    connection: Connection, consumer: str, places: Sequence[Place]
) -> dict[Place, Parked]:
    """The unsettled dead letters of these places, locked; what is settled or was none is left out."""
    columns = [list(column) for column in zip(*places, strict=True)]
    rows = await connection.fetch(_PARKED_AT, consumer, *columns)
    return {
        (row["topic"], row["partition"], row["offset"]): Parked(
            (row["source"], row["id"]), row["attempts"]
        )
        for row in rows
    }
