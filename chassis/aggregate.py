"""What a service gives to the chassis: how its aggregate is found, decided and stored."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

from chassis.postgres import Connection
from chassis.records import Record
from contracts.envelope import Envelope
from contracts.outgoing import Outgoing

S = TypeVar("S")


class Caused(Protocol):
    """Anything that can be decided on: an envelope, a passed deadline, a service's own message."""

    @property
    def cause_id(self) -> UUID:
        """The id that everything said about it is derived from."""

    @property
    def traceparent(self) -> str | None:
        """The trace that it and everything said about it are part of."""


@dataclass(frozen=True, slots=True)
class Step:
    """One message and what was said about it."""

    id: UUID
    message: Any
    said: tuple[Outgoing, ...]


@dataclass(frozen=True, slots=True)
class Sequenced:
    """A message numbered by something else than the aggregate's row, and what caused it."""

    outgoing: Outgoing
    sequence: int
    cause: Caused


@dataclass(frozen=True, slots=True)
class Tombstone:
    """In place of the latest message of `type` under a key of a compacted topic: nothing is kept any more."""

    id: UUID
    type: str
    key: str
    provider_id: str
    time: datetime
    sequence: int
    cause: Caused


Project = Callable[
    [Connection, Sequence[Step], Mapping[UUID, Any], datetime],
    Awaitable[Sequence[Sequenced | Tombstone]],
]
#: Keeps a compacted topic as a table; the highest sequence wins, a tombstone has no envelope.
Projection = Callable[[Connection, Sequence[Record]], Awaitable[None]]


@dataclass(frozen=True)
class Aggregate(Generic[S]):
    """One aggregate per service: pure functions, and the table that holds its states."""

    table: str
    empty: Callable[[UUID], S]
    decode: Callable[[str], S]
    encode: Callable[[S], str]
    key_of: Callable[[Envelope], UUID]
    decide: Callable[[S, Any, datetime], tuple[S, tuple[Outgoing, ...]]]
    next_deadline: Callable[[S], datetime | None]
    #: Side tables and rows for readers, in the same transaction.
    project: Project | None = None
