"""Decisions and what is written of them, for messages and deadlines alike."""

from datetime import datetime
from typing import Any

from chassis import held, inbox, outbox
from chassis.aggregate import Aggregate, S, Sequenced, Step, Tombstone
from chassis.batch import Batch
from chassis.postgres import Connection
from chassis.rows import Row, RowStore
from contracts.topics import TOPIC_OF


def decide(
    service: str, aggregate: Aggregate[S], batch: Batch[S], row: Row[S], message: Any
) -> None:
    """Fold one message into its row and number what is said about it.

    Raises what the decision raises, and then nothing is changed; ValueError when it says too much.
    """
    now = max(batch.now, row.decided_at)
    state, said = aggregate.decide(row.state, message, now)
    due_at = aggregate.next_deadline(state) if state is not row.state else row.due_at
    row.state, row.due_at, row.decided_at, row.changed = state, due_at, now, True
    batch.steps.append(Step(row.id, message, said))
    for outgoing in said:
        topic = TOPIC_OF[outgoing.data.TYPE]
        numbered = topic.sequenced or topic.kept_days is None
        sequence = row.next_sequence(topic.name) if numbered else None
        batch.out.append(outbox.sealed(service, outgoing, message, topic.name, sequence, now))


def _numbered(service: str, extra: Sequenced | Tombstone, now: datetime) -> outbox.OutboxRow:
    if isinstance(extra, Tombstone):
        return outbox.tombstone(service, extra, TOPIC_OF[extra.type].name, now)
    topic = TOPIC_OF[extra.outgoing.data.TYPE].name
    return outbox.sealed(service, extra.outgoing, extra.cause, topic, extra.sequence, now)


async def write(
    connection: Connection,
    service: str,
    aggregate: Aggregate[S],
    store: RowStore[S],
    batch: Batch[S],
) -> None:
    """Everything that the batch gathered goes into the database, in a fixed number of statements."""
    await store.save(connection, list(batch.rows.values()))
    if batch.steps and aggregate.project:
        states = {id: row.state for id, row in batch.rows.items()}
        for extra in await aggregate.project(connection, batch.steps, states, batch.now):
            batch.out.append(_numbered(service, extra, batch.now))
    await held.hold(connection, list(batch.hold.values()))
    await held.release(connection, batch.release)
    await inbox.settle(connection, service, batch.statuses)
    await inbox.count_attempts(connection, service, batch.attempts)
    await outbox.add(connection, service, batch.out)
