"""One service in memory: its rows, what it has heard, and its decisions, made by the chassis's own code."""

from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.aggregate import Aggregate
from chassis.batch import Batch
from chassis.deciding import decide
from chassis.due_scan import cause_of
from chassis.errors import PoisonMessage
from chassis.outbox import OutboxRow
from chassis.reading import read_for, too_far_ahead
from chassis.records import Incoming, Problem, Record
from chassis.rows import Row
from contracts.errors import Impossible

_LONG_AGO = datetime.fromisoformat("2000-01-01T00:00Z")


class Room:
    """One service: its rows by id, and what it has heard."""

    def __init__(self, name: str, aggregate: Aggregate[Any]) -> None:
        """Nothing is known yet."""
        self.name = name
        self.aggregate = aggregate
        self.rows: dict[UUID, Row[Any]] = {}
        self.inbox: dict[tuple[str, str], bytes] = {}

    def row(self, id: UUID) -> Row[Any]:
        """The row of an id, made when it is missing."""
        if id not in self.rows:
            empty = self.aggregate.empty(id)
            self.rows[id] = Row(id, 0, empty, None, _LONG_AGO, None, False, {}, {})
        return self.rows[id]

    def hear(self, record: Record, now: datetime) -> tuple[list[OutboxRow], Problem | None]:
        """Decide on one record; what is said, or why it is a dead letter."""
        one = read_for(self.aggregate.key_of, record)
        problem = one.problem or too_far_ahead(one, now) or self._conflict(one)
        if problem or one.key is None:
            return [], problem
        if one.ignored or one.mark in self.inbox:
            return [], None
        self.inbox[one.mark] = one.sha
        try:
            return self.decide(self.row(one.key), one.envelope, now), None
        except (Impossible, PoisonMessage) as error:
            return [], Problem(error.code, error.sentence)

    def _conflict(self, one: Incoming) -> Problem | None:
        if self.inbox.get(one.mark, one.sha) == one.sha:
            return None
        return Problem("conflicting_duplicate", "A message of this id with other content came.")

    def decide(self, row: Row[Any], message: Any, now: datetime) -> list[OutboxRow]:
        """Decide on a message or deadline, and keep the state as the database would."""
        batch: Batch[Any] = Batch(now)
        decide(self.name, self.aggregate, batch, row, message)
        row.version += 1
        row.state = self.aggregate.decode(self.aggregate.encode(row.state))
        return batch.out

    def pass_time(self, now: datetime) -> list[OutboxRow] | None:
        """Decide on the row whose time has come first; None when none is due."""
        due = [row for row in self.rows.values() if row.due_at and row.due_at <= now]
        if not due:
            return None
        row = min(due, key=lambda each: (each.due_at or now, each.id))
        said = self.decide(row, cause_of(row), now)
        if row.due_at is not None and row.due_at <= now:
            raise RuntimeError(f"{row.id} is still due at {row.due_at} after its decision")
        return said

    def next_due_at(self) -> datetime | None:
        """The next instant at which this service has something to do by itself."""
        return min((row.due_at for row in self.rows.values() if row.due_at), default=None)
