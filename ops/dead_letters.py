"""Dead letters that still wait: read from the topics of the services, kept while their origin waits."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from aiokafka import ConsumerRecord

from contracts.topics import DEAD_LETTERS, SERVICES
from ops.broker import Broker
from ops.connection import Stack
from ops.errors import NotFound
from ops.records import read_whole
from ops.tail_lines import headers_of, record_time
from ops.terminal import suggestion

if TYPE_CHECKING:
    import asyncpg


@dataclass(frozen=True, order=True)
class Origin:
    """Where a dead letter came from, and which service could not process it."""

    service: str
    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        """The id by which operators name it."""
        return f"{self.service}:{self.topic}/{self.partition}/{self.offset}"


@dataclass(frozen=True)
class DeadLetter:
    """The latest dead letter of one origin."""

    origin: Origin
    at: datetime
    code: str
    error: str
    attempts: int
    message_id: str
    subject: str
    key: bytes | None
    value: bytes
    headers: Mapping[str, str]
    #: How many messages of its key wait behind it.
    behind: int = 0
    #: When the broker took the message at its origin.
    taken_ms: int = 0

    def to_json(self) -> dict[str, Any]:
        """The dead letter as plain data, without its value."""
        return {
            "id": str(self.origin),
            **vars(self.origin),
            "at": self.at,
            "code": self.code,
            "error": self.error,
            "attempts": self.attempts,
            "behind": self.behind,
            "message_id": self.message_id,
            "subject": self.subject,
        }


async def parked(connection: "asyncpg.Connection", stack: Stack) -> dict[Origin, int]:
    """The origins that wait for an operator, over all services, and how often each was refused."""
    parts = [
        f"select '{service}' as service, topic, partition, \"offset\", attempts"
        f" from {service}.read_parked"
        for service in SERVICES
    ]
    rows = await connection.fetch(" union all ".join(parts))
    return {
        Origin(
            row["service"], stack.plain_topic(row["topic"]), row["partition"], row["offset"]
        ): row["attempts"]
        for row in rows
    }


async def count_held(connection: "asyncpg.Connection") -> dict[tuple[str, str, str], int]:
    """How many messages wait for their turn, by service, topic and key."""
    parts = [
        f"select '{service}' as service, topic, key, count(*) from {service}.read_held group by 2, 3"
        for service in SERVICES
    ]
    rows = await connection.fetch(" union all ".join(parts))
    return {(row["service"], row["topic"], row["key"]): row["count"] for row in rows}


async def count_parked(connection: "asyncpg.Connection") -> dict[str, int]:
    """How many origins wait, by service."""
    parts = [f"select '{name}' as name, count(*) from {name}.read_parked" for name in SERVICES]
    return {row["name"]: row["count"] for row in await connection.fetch(" union all ".join(parts))}


async def waiting(stack: Stack) -> dict[str, DeadLetter]:
    """The dead letters that still wait, by their id, oldest first. Raises Unavailable."""
    async with stack.database() as connection:
        origins = await parked(connection, stack)
        held = await count_held(connection) if origins else {}
    if not origins:
        return {}
    told = await attempts_told(stack, {origin.service for origin in origins})
    found = [told[origin][-1] for origin in origins.keys() & told.keys()]
    letters = [
        replace(each, behind=held.get((each.origin.service, each.origin.topic, each.subject), 0))
        for each in found
    ]
    return {str(each.origin): each for each in sorted(letters, key=lambda one: one.at)}


async def attempts_told(
    stack: Stack, services: Iterable[str]
) -> dict[Origin, tuple[DeadLetter, ...]]:
    """The dead letters of every origin on the topics of some services, one per attempt, in order."""
    async with Broker(stack) as broker:
        topics = [stack.topic(DEAD_LETTERS[service].name) for service in services]
        records = await read_whole(broker, await broker.partitions(topics))
    told: dict[Origin, dict[int, DeadLetter]] = {}
    for record in records:
        letter = from_record(stack, record)
        told.setdefault(letter.origin, {})[letter.attempts] = letter
    return {
        origin: tuple(letters[number] for number in sorted(letters))
        for origin, letters in told.items()
    }


def from_record(stack: Stack, record: ConsumerRecord) -> DeadLetter:
    """Read one record of a dead-letter topic."""
    headers = headers_of(record)
    origin = Origin(
        stack.plain_topic(record.topic).removesuffix(".dlq"),
        stack.plain_topic(headers.get("dlq-topic", "")),
        _number(headers, "dlq-partition"),
        _number(headers, "dlq-offset"),
    )
    return DeadLetter(
        origin=origin,
        at=record_time(record),
        code=headers.get("dlq-code", ""),
        error=headers.get("dlq-error", ""),
        attempts=_number(headers, "dlq-attempts"),
        message_id=headers.get("dlq-id", ""),
        subject=headers.get("dlq-subject", ""),
        key=record.key,
        value=record.value or b"",
        headers=headers,
        taken_ms=_number(headers, "dlq-timestamp"),
    )


def _number(headers: Mapping[str, str], name: str) -> int:
    """A number of ours; -1 in a record that somebody else wrote there."""
    text = headers.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() else -1


def pick(letters: Mapping[str, DeadLetter], given: str) -> DeadLetter:
    """The dead letter called `given`: its id, with or without the service, or its message id.

    Raises NotFound with a suggestion.
    """
    found = [
        letter
        for id, letter in letters.items()
        if given in (id, id.partition(":")[2], letter.message_id)
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise NotFound(
            f"Several services have '{given}': say {' or '.join(str(f.origin) for f in found)}."
        )
    raise NotFound(f"No dead letter '{given}' waits.{suggestion(given, letters)}")
