"""Dead letters that still wait: read from the topics of the services, kept while their origin waits."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
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

ORIGIN_PREFIX = "origin-"


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
    attempts: str
    message_id: str
    subject: str
    key: bytes | None
    value: bytes
    headers: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """The dead letter as plain data, without its value."""
        return {
            "id": str(self.origin),
            **vars(self.origin),
            "at": self.at,
            "code": self.code,
            "error": self.error,
            "attempts": self.attempts,
            "message_id": self.message_id,
            "subject": self.subject,
        }


async def parked(connection: "asyncpg.Connection", stack: Stack) -> set[Origin]:
    """The origins that wait for an operator, over all services."""
    parts = [
        f"select '{service}' as service, topic, partition, \"offset\" from {service}.read_parked"
        for service in SERVICES
    ]
    rows = await connection.fetch(" union all ".join(parts))
    return {
        Origin(row["service"], stack.plain_topic(row["topic"]), row["partition"], row["offset"])
        for row in rows
    }


async def count_parked(connection: "asyncpg.Connection") -> dict[str, int]:
    """How many origins wait, by service."""
    parts = [f"select '{name}' as name, count(*) from {name}.read_parked" for name in SERVICES]
    return {row["name"]: row["count"] for row in await connection.fetch(" union all ".join(parts))}


async def waiting(stack: Stack) -> dict[str, DeadLetter]:
    """The dead letters that still wait, by their id, oldest first. Raises Unavailable."""
    async with stack.database() as connection:
        origins = await parked(connection, stack)
    if not origins:
        return {}
    found = await latest(stack, {origin.service for origin in origins})
    letters = sorted((found[o] for o in origins & found.keys()), key=lambda each: each.at)
    return {str(letter.origin): letter for letter in letters}


async def latest(stack: Stack, services: Iterable[str]) -> dict[Origin, DeadLetter]:
    """The newest dead letter of every origin on the topics of some services."""
    async with Broker(stack) as broker:
        topics = [stack.topic(DEAD_LETTERS[service].name) for service in services]
        records = await read_whole(broker, await broker.partitions(topics))
    letters = (from_record(stack, record) for record in records)
    return {letter.origin: letter for letter in sorted(letters, key=lambda each: each.at)}


def from_record(stack: Stack, record: ConsumerRecord) -> DeadLetter:
    """Read one record of a dead-letter topic."""
    headers = headers_of(record)
    origin = Origin(
        stack.plain_topic(record.topic).removesuffix(".dlq"),
        stack.plain_topic(headers.get("dlq-topic", "")),
        int(headers.get("dlq-partition", -1)),
        int(headers.get("dlq-offset", -1)),
    )
    return DeadLetter(
        origin=origin,
        at=record_time(record),
        code=headers.get("dlq-code", ""),
        error=headers.get("dlq-error", ""),
        attempts=headers.get("dlq-attempts", ""),
        message_id=headers.get("dlq-id", ""),
        subject=headers.get("dlq-subject", ""),
        key=record.key,
        value=record.value or b"",
        headers=headers,
    )


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
