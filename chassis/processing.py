"""One transaction per batch: claim, load, fold, save, outbox. Dead letters and held messages included."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Generic
from uuid import UUID

import asyncpg

from chassis import claiming, dead_letters, deciding, sequencing
from chassis.aggregate import Aggregate, Caused, S
from chassis.batch import Batch
from chassis.clock import Clock
from chassis.crash_points import crash_point
from chassis.errors import LostClaim, PoisonMessage
from chassis.inbox import Settled
from chassis.postgres import Connection, is_poison, transient_errors
from chassis.reading import read_for, too_far_ahead
from chassis.records import Incoming, Problem, Record
from chassis.rows import Row, RowStore
from chassis.tracing import OFF, Traces
from contracts.errors import Impossible
from contracts.outgoing import TimePassed

#: A deadline nearer than this wakes the due scan, which is told of no later one: it looks each second.
HORIZON = timedelta(minutes=1)


class Processor(Generic[S]):
    """Brings messages and deadlines into the state of one aggregate, effectively once."""

    def __init__(
        self,
        service: str,
        aggregate: Aggregate[S],
        pool: asyncpg.Pool,
        clock: Clock,
        limits: dead_letters.Limits,
        wake: Callable[[bool, bool], None],
        traces: Traces = OFF,
    ) -> None:
        """`wake` hears what a transaction left: something to publish, a deadline that is near."""
        self._service = service
        self._aggregate = aggregate
        self._store = RowStore(aggregate)
        self._pool = pool
        self._clock = clock
        self._limits = limits
        self._wake = wake
        self._traces = traces
        self._read = partial(read_for, aggregate.key_of)
        #: First retained offset of each partition, kept by the consumer.
        self.log_starts: dict[tuple[str, int], int] = {}

    # messages from Kafka

    async def consume(self, records: Sequence[Record]) -> None:
        """Process records in one transaction; when the database refuses one of them, one by one.

        Raises TransientError and the database's own transient errors, DeadLetterLimit, and
        ConfigurationError for a message of a newer major version.
        """
        problem = await self._attempt([self._read(record) for record in records])
        if problem is None:
            return
        for record in records:
            problem = await self._attempt([self._read(record)])
            if problem:
                one = self._read(record)
                one.problem = problem
                await self._transact([one])

    async def _attempt(self, incoming: Sequence[Incoming]) -> Problem | None:
        """One transaction; why it was rolled back when a message was to blame."""
        try:
            await self._transact(incoming)
        except transient_errors():
            raise
        except (PoisonMessage, Impossible) as error:
            return Problem(error.code, error.sentence)
        except asyncpg.PostgresError as error:
            if not is_poison(error):
                raise
            return Problem("database_refused", "The database refused the message.")
        return None

    async def _transact(self, incoming: Sequence[Incoming]) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            batch: Batch[S] = Batch(await self._clock.now(connection))
            for one in incoming:
                one.problem = one.problem or too_far_ahead(one, batch.now)
            fresh = await claiming.claim(connection, self._service, incoming, batch)
            crash_point("consumer.after_claim")
            # What others wrote and nobody can read touches no row.
            keys = {one.key for one in fresh if one.problem is None or one.topic.sequenced}
            batch.rows = await self._store.lock(connection, [key for key in keys if key])
            if not self._clock.virtual:
                batch.now = await self._clock.now(connection)
            await sequencing.load(connection, batch)
            for one in fresh:
                self._accept(batch, one)
            self._limits.check(batch.dead)
            await deciding.write(connection, self._service, self._aggregate, self._store, batch)
            crash_point("consumer.before_commit")
        self._limits.count(batch.dead)
        batch.tell(self._traces)
        self._left(batch)

    def _left(self, batch: Batch[S]) -> None:
        """Wake whoever has something to do now that the transaction is committed."""
        soon = batch.now + HORIZON
        near = any(r.changed and r.due_at and r.due_at <= soon for r in batch.rows.values())
        self._wake(bool(batch.out), near)

    def _accept(self, batch: Batch[S], one: Incoming) -> None:
        """One claimed message: decided, held until its turn, given up, or a dead letter."""
        row = batch.rows.get(one.key) if one.key else None
        if one.record.discarded:
            batch.count(one, "done")
            if row is not None and one.topic.sequenced:
                sequencing.discard(row, one)
                self._release(batch, row, one.topic.name)
        elif one.problem or row is None:
            self._bury(batch, one, row)
        elif not one.topic.sequenced:
            self._take(batch, one, row)
        elif (turn := sequencing.turn_of(row, one, self.log_starts)) == "later":
            sequencing.hold(batch, row, one)
        elif turn == "over":
            batch.count(one, "duplicate")
        elif self._take(batch, one, row):
            self._release(batch, row, one.topic.name)

    def _take(self, batch: Batch[S], one: Incoming, row: Row[S]) -> bool:
        """Decide on a message whose turn it is; False when it became a dead letter."""
        try:
            if one.problem:
                raise PoisonMessage(one.problem.code, one.problem.sentence)
            if not one.ignored:
                message, span = self._traces.message(one, batch.since_ns)
                deciding.decide(self._service, self._aggregate, batch, row, message)
                if span is not None:
                    batch.spans.append(span)
        except (PoisonMessage, Impossible) as error:
            if one.record.redriven:
                raise  # rolled back; alone, with its problem, it is refused again
            one.problem = Problem(error.code, error.sentence)
            if one.repeated:  # the dead letter is there already
                del batch.statuses[one.mark]
                batch.count(one, "duplicate")
            else:
                batch.statuses[one.mark] = Settled("parked", one.sha, one.at)
                self._bury(batch, one, row)
            return False
        if one.topic.sequenced:
            sequencing.advance(row, one.topic.name, one.sequence, one.settles)
        batch.dead.append(False)
        batch.count(one, "ignored" if one.ignored else "done")
        return True

    def _release(self, batch: Batch[S], row: Row[S], topic: str) -> None:
        """Process what waited for the message just settled, in order."""
        while (waiting := sequencing.next_held(batch, row, topic)) is not None:
            one = self._read(waiting.record)
            batch.statuses[one.mark] = Settled("done")
            if not self._take(batch, one, row):
                break
        sequencing.rest(batch, row)

    def _bury(self, batch: Batch[S], one: Incoming, row: Row[S] | None) -> None:
        if row is not None and one.topic.sequenced and not one.conflicting:
            sequencing.park(batch, row, one)
        batch.out.append(dead_letters.dead_letter(self._service, one, batch.now))
        batch.dead.append(True)
        batch.buried.append(one)

    # messages from inside the service

    async def run(
        self,
        messages: Sequence[tuple[UUID, Caused]],
        inside: Callable[[Connection], Awaitable[None]] | None = None,
    ) -> None:
        """Decide on messages that come from inside the service, without an inbox claim.

        `inside` runs first in the same transaction; LostClaim rolls everything back quietly.
        """
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                if inside:
                    await inside(connection)
                rows = await self._store.lock(connection, [id for id, _ in messages])
                batch: Batch[S] = Batch(await self._clock.now(connection), rows)
                for id, message in messages:
                    deciding.decide(self._service, self._aggregate, batch, rows[id], message)
                await deciding.write(connection, self._service, self._aggregate, self._store, batch)
        except LostClaim:
            return
        self._left(batch)

    async def run_due(
        self, cause: Callable[[Row[S]], TimePassed], limit: int
    ) -> tuple[int, datetime | None]:
        """Decide on rows whose time has come; returns how many.

        If none was left, also the next deadline within HORIZON.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            batch: Batch[S] = Batch(await self._clock.now(connection))
            batch.rows = await self._store.lock_due(connection, batch.now, limit)
            if not batch.rows:
                return 0, await self._store.next_due(connection, batch.now + HORIZON)
            for row in batch.rows.values():
                passed, span = self._traces.deadline(row.id, row.due_at, cause(row), batch.since_ns)
                deciding.decide(self._service, self._aggregate, batch, row, passed)
                if span is not None:
                    batch.spans.append(span)
                if row.due_at is not None and row.due_at <= batch.now:
                    raise RuntimeError(f"{row.id} is still due at {row.due_at} after its decision")
            crash_point("due.mid_scan")
            await deciding.write(connection, self._service, self._aggregate, self._store, batch)
        self._traces.ended(batch.spans)
        self._left(batch)
        return len(batch.rows), None
