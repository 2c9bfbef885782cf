"""One transaction per batch: claim, load, fold, save, outbox. Dead letters and held messages included."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic
from uuid import UUID

import asyncpg

from chassis import dead_letters, held, inbox, outbox
from chassis.aggregate import Aggregate, Caused, S, Step
from chassis.clock import Clock
from chassis.crash_points import crash_point
from chassis.errors import ConfigurationError, LostClaim, PoisonMessage
from chassis.postgres import Connection, is_poison, transient_errors
from chassis.records import Incoming, Problem, Record, read, too_far_ahead
from chassis.rows import Row, RowStore
from chassis.telemetry import CONSUMED, DEAD_LETTERS, log
from contracts.errors import Impossible
from contracts.topics import BILLING_COMMANDS, PAYMENTS_EVENTS, TOPIC_OF, TOPICS

_BY_NAME = {topic.name: topic for topic in TOPICS}
#: Topics that others write: unknown types there are dead letters, and a dead letter parks no key.
_FOREIGN = (PAYMENTS_EVENTS.name, BILLING_COMMANDS.name)


@dataclass(slots=True)
class _Batch(Generic[S]):
    """What one transaction gathers; `now` is its instant."""

    now: datetime
    rows: dict[UUID, Row[S]] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    out: list[outbox.OutboxRow] = field(default_factory=list)
    hold: list[held.Held] = field(default_factory=list)
    release: list[held.Held] = field(default_factory=list)
    waiting: dict[tuple[str, str], dict[int, held.Held]] = field(default_factory=dict)
    statuses: list[tuple[inbox.Mark, bytes | None, inbox.Status]] = field(default_factory=list)
    dead: list[bool] = field(default_factory=list)


class Processor(Generic[S]):
    """Brings messages and deadlines into the state of one aggregate, effectively once."""

    def __init__(
        self,
        service: str,
        aggregate: Aggregate[S],
        pool: asyncpg.Pool,
        clock: Clock,
        limits: dead_letters.Limits,
        wake_relay: Callable[[], None],
    ) -> None:
        self._service = service
        self._aggregate = aggregate
        self._store = RowStore(aggregate)
        self._pool = pool
        self._clock = clock
        self._limits = limits
        self._wake_relay = wake_relay
        #: First retained offset of each partition, kept by the consumer.
        self.log_starts: dict[tuple[str, int], int] = {}

    # messages from Kafka

    async def consume(self, records: Sequence[Record]) -> None:
        """Process records in one transaction; when one of them is poison, one by one.

        Raises TransientError and the database's own transient errors, DeadLetterLimit, and
        ConfigurationError for a message of a newer major version.
        """
        incoming = [self._read(record) for record in records]
        try:
            await self._transact(incoming)
        except transient_errors():
            raise
        except (PoisonMessage, Impossible, asyncpg.PostgresError) as error:
            if not is_poison(error):
                raise
            for one in [self._read(record) for record in records]:
                await self._consume_one(one)

    async def _consume_one(self, incoming: Incoming) -> None:
        try:
            await self._transact([incoming])
        except transient_errors():
            raise
        except (PoisonMessage, Impossible, asyncpg.PostgresError) as error:
            if not is_poison(error):
                raise
            code = getattr(error, "code", None) or "database_refused"
            sentence = getattr(error, "sentence", None) or "The database refused the message."
            incoming.problem = Problem(code, sentence)
            await self._transact([incoming])

    def _read(self, record: Record) -> Incoming:
        topic = _BY_NAME.get(record.topic)
        if topic is None:
            raise ConfigurationError(f"A record came from the unknown topic '{record.topic}'.")
        incoming = read(record, topic, own=record.topic not in _FOREIGN)
        if incoming.fatal:
            raise ConfigurationError(incoming.fatal)
        return incoming

    async def _transact(self, incoming: Sequence[Incoming]) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            batch: _Batch[S] = _Batch(await self._clock.now(connection))
            for one in incoming:
                one.problem = one.problem or too_far_ahead(one, batch.now)
            fresh = await self._claim(connection, incoming, batch)
            crash_point("consumer.after_claim")
            keys = [self._key_of(one) for one in fresh]
            batch.rows = await self._store.lock(connection, [key for key in keys if key])
            if not self._clock.virtual:
                batch.now = await self._clock.now(connection)
            await self._load_waiting(connection, batch)
            for one, key in zip(fresh, keys, strict=True):
                self._accept(batch, one, batch.rows[key] if key else None)
            self._limits.count(batch.dead)
            await self._finish(connection, batch)
            crash_point("consumer.before_commit")
        self._wake_relay()

    async def _claim(
        self, connection: Connection, incoming: Sequence[Incoming], batch: _Batch[S]
    ) -> list[Incoming]:
        """The messages that are to be processed: neither seen before nor twice in the batch."""
        redriven = [one for one in incoming if one.record.redriven]
        fresh = [one for one in redriven if await self._claim_redriven(connection, one, batch)]
        first: dict[inbox.Mark, Incoming] = {}
        again: list[Incoming] = []
        for one in incoming:
            if one.record.redriven:
                continue
            if one.mark in first:
                again.append(one)
            else:
                first[one.mark] = one
        claimed = (
            await inbox.claim(connection, self._service, list(first.values())) if first else set()
        )
        seen = [one for mark, one in first.items() if mark not in claimed]
        accepted = {id(one) for mark, one in first.items() if mark in claimed}
        conflicting: list[Incoming] = []
        if seen:
            known = await inbox.known(connection, self._service, [one.mark for one in seen])
            for one in seen:
                if self._may_replace(one, known[one.mark]):
                    batch.statuses.append((one.mark, one.sha, "done"))
                    accepted.add(id(one))
                elif one.sha != known[one.mark].sha and not one.problem:
                    conflicting.append(one)
                else:
                    self._count(one, "duplicate")
        for one in again:
            if one.sha != first[one.mark].sha and not one.problem:
                conflicting.append(one)
            else:
                self._count(one, "duplicate")
        accepted |= await self._claim_conflicting(connection, conflicting)
        return [*fresh, *(one for one in incoming if id(one) in accepted)]

    def _may_replace(self, one: Incoming, known: inbox.Known) -> bool:
        """A corrected message under the id of a dead letter may take its place."""
        record = one.record
        elsewhere = known.place != (record.topic, record.partition, record.offset)
        corrected = one.problem is None and one.sha != known.sha
        return known.status == "parked" and corrected and elsewhere

    async def _claim_conflicting(
        self, connection: Connection, conflicting: list[Incoming]
    ) -> set[int]:
        """The same id with other content: a dead letter, known by its place from now on."""
        if not conflicting:
            return set()
        for one in conflicting:
            one.problem = Problem(
                "conflicting_duplicate", "A message of this id with other content came before."
            )
        claimed = await inbox.claim(connection, self._service, conflicting, place=True)
        return {id(one) for one in conflicting if one.place in claimed}

    async def _claim_redriven(
        self, connection: Connection, one: Incoming, batch: _Batch[S]
    ) -> bool:
        """A dead letter sent back settles the parked row of its origin, and only once."""
        record = one.record
        place = (record.topic, record.partition, record.offset)
        mark = await inbox.parked_at(connection, self._service, *place)
        if mark is None:
            self._count(one, "duplicate")
            return False
        if record.discarded:
            batch.statuses.append((mark, None, "done"))
            return True
        if one.problem:
            log.warning("redriven message is still unreadable", code=one.problem.code, place=place)
            return False
        if one.mark == mark:
            batch.statuses.append((mark, one.sha, "done"))
            return True
        if one.mark not in await inbox.claim(connection, self._service, [one]):
            log.warning("redriven message has an id that was used before", place=place)
            return False
        batch.statuses.append((mark, None, "done"))
        return True

    def _key_of(self, one: Incoming) -> UUID | None:
        """The row a message belongs to; None when nothing of ours is touched."""
        if one.problem is None and one.envelope is not None:
            return self._aggregate.key_of(one.envelope)
        if one.topic.sequenced and one.record.key:
            try:
                return UUID(one.record.key.decode())
            except ValueError:
                return None
        return None

    async def _load_waiting(self, connection: Connection, batch: _Batch[S]) -> None:
        keys = [str(row.id) for row in batch.rows.values() if row.waiting]
        for one in await held.waiting(connection, keys) if keys else ():
            batch.waiting.setdefault((one.record.topic, one.key), {})[one.sequence] = one

    def _accept(self, batch: _Batch[S], one: Incoming, row: Row[S] | None) -> None:
        """One claimed message: decided, held until its turn, or a dead letter."""
        if one.record.discarded and row is not None:
            self._settle(batch, one, row)
            return
        if one.problem:
            if one.problem.code != "conflicting_duplicate" and row is not None:
                self._park(batch, one, row)
            self._bury(batch, one)
            return
        if row is None or one.envelope is None:
            return
        batch.dead.append(False)
        if not one.topic.sequenced:
            self._decide(batch, row, one.envelope)
            self._count(one, "done")
            return
        self._in_sequence(batch, one, row)

    def _in_sequence(self, batch: _Batch[S], one: Incoming, row: Row[S]) -> None:
        envelope, topic = one.envelope, one.topic.name
        if envelope is None or envelope.sequence is None:
            raise ValueError("a sequenced message without its sequence")
        expected = self._expected(row, one)
        if envelope.sequence > expected:
            reason = "key_parked" if topic in row.parked else "gap"
            batch.hold.append(held.Held(one.record, str(row.id), envelope.sequence, reason))
            batch.waiting.setdefault((topic, str(row.id)), {})[envelope.sequence] = batch.hold[-1]
            batch.statuses.append((one.mark, None, "held"))
            row.waiting = row.changed = True
            self._count(one, "held")
            return
        if envelope.sequence < expected and not one.record.redriven:
            self._count(one, "duplicate")
            return
        self._advance(batch, row, topic, one)
        self._release(batch, row, topic)

    def _expected(self, row: Row[S], one: Incoming) -> int:
        topic = one.topic.name
        if topic in row.positions:
            return row.positions[topic] + 1
        first = one.envelope.sequence if one.envelope else None
        if first and first > 1 and self.log_starts.get((topic, one.record.partition), 0) > 0:
            log.warning("earlier messages are out of retention", topic=topic, sequence=first)
            return first
        return 1

    def _advance(self, batch: _Batch[S], row: Row[S], topic: str, one: Incoming) -> None:
        envelope = one.envelope
        if envelope is None or envelope.sequence is None:
            raise ValueError("a sequenced message without its sequence")
        row.positions[topic] = max(envelope.sequence, row.positions.get(topic, 0))
        row.parked.pop(topic, None)
        row.changed = True
        if one.ignored:
            self._count(one, "ignored")
            return
        self._decide(batch, row, envelope)
        self._count(one, "done")

    def _release(self, batch: _Batch[S], row: Row[S], topic: str) -> None:
        """Process what waited for the message just processed, in order."""
        queue = batch.waiting.get((topic, str(row.id)), {})
        while (row.positions.get(topic, 0) + 1) in queue:
            one = queue.pop(row.positions[topic] + 1)
            if one in batch.hold:
                batch.hold.remove(one)
            else:
                batch.release.append(one)
            incoming = self._read(one.record)
            batch.statuses.append((incoming.mark, None, "done"))
            self._advance(batch, row, topic, incoming)
        row.waiting = bool(row.parked) or any(
            waiting for (_, key), waiting in batch.waiting.items() if key == str(row.id)
        )
        row.changed = True

    def _settle(self, batch: _Batch[S], one: Incoming, row: Row[S]) -> None:
        """An operator discards a dead letter: its place in the sequence counts as done."""
        topic = one.topic.name
        if topic in row.parked:
            row.positions[topic] = max(row.parked.pop(topic), row.positions.get(topic, 0))
            self._release(batch, row, topic)

    def _park(self, batch: _Batch[S], one: Incoming, row: Row[S]) -> None:
        """A dead letter on a topic of ours parks its key: what follows waits behind it."""
        if one.topic.sequenced:
            row.parked.setdefault(one.topic.name, row.positions.get(one.topic.name, 0) + 1)
            row.waiting = row.changed = True

    def _bury(self, batch: _Batch[S], one: Incoming) -> None:
        if one.problem is None:
            raise ValueError("only a message with a problem is a dead letter")
        batch.out.append(dead_letters.dead_letter(self._service, one, batch.now))
        batch.dead.append(True)
        DEAD_LETTERS.labels(one.record.topic, one.problem.code).inc()
        record = one.record
        log.warning(
            "dead letter",
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            code=one.problem.code,
            sentence=one.problem.sentence,
        )

    # decisions

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
                batch: _Batch[S] = _Batch(await self._clock.now(connection), rows)
                for id, message in messages:
                    self._decide(batch, batch.rows[id], message)
                await self._finish(connection, batch)
        except LostClaim:
            return
        self._wake_relay()

    async def run_due(
        self, cause: Callable[[Row[S]], Caused], limit: int
    ) -> tuple[int, datetime | None]:
        """Decide on rows whose time has come; returns how many, and the next deadline if none was left."""
        async with self._pool.acquire() as connection, connection.transaction():
            batch: _Batch[S] = _Batch(await self._clock.now(connection))
            batch.rows = await self._store.lock_due(connection, batch.now, limit)
            if not batch.rows:
                return 0, await self._store.next_due(connection)
            for row in batch.rows.values():
                self._decide(batch, row, cause(row))
                if row.due_at is not None and row.due_at <= batch.now:
                    raise RuntimeError(f"{row.id} is still due at {row.due_at} after its decision")
            crash_point("due.mid_scan")
            await self._finish(connection, batch)
        self._wake_relay()
        return len(batch.rows), None

    def _decide(self, batch: _Batch[S], row: Row[S], message: Any) -> None:
        now = max(batch.now, row.decided_at)
        state, said = self._aggregate.decide(row.state, message, now)
        due_at = self._aggregate.next_deadline(state) if state is not row.state else row.due_at
        row.state, row.due_at, row.decided_at, row.changed = state, due_at, now, True
        batch.steps.append(Step(row.id, message, said))
        for outgoing in said:
            topic = TOPIC_OF[outgoing.data.TYPE]
            numbered = topic.sequenced or topic.kept_days is None
            sequence = row.next_sequence(topic.name) if numbered else None
            batch.out.append(
                outbox.sealed(self._service, outgoing, message, topic.name, sequence, now)
            )

    async def _finish(self, connection: Connection, batch: _Batch[S]) -> None:
        """Everything that the batch gathered goes into the database."""
        await self._store.save(connection, list(batch.rows.values()))
        if batch.steps and self._aggregate.project:
            states = {id: row.state for id, row in batch.rows.items()}
            for extra in await self._aggregate.project(connection, batch.steps, states, batch.now):
                topic = TOPIC_OF[extra.outgoing.data.TYPE].name
                batch.out.append(
                    outbox.sealed(
                        self._service, extra.outgoing, extra.cause, topic, extra.sequence, batch.now
                    )
                )
        await held.hold(connection, batch.hold)
        await held.release(connection, batch.release)
        for status in ("done", "held"):
            marks = [(mark, sha) for mark, sha, wanted in batch.statuses if wanted == status]
            await inbox.set_status(connection, self._service, status, marks)
        await outbox.add(connection, self._service, batch.out)

    def _count(self, one: Incoming, outcome: str) -> None:
        type = one.envelope.type if one.envelope and not one.ignored else "other"
        CONSUMED.labels(one.record.topic, type, outcome).inc()
