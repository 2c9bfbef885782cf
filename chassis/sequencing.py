"""Order on topics of ours: whose turn it is, who waits, and what a dead letter holds up.

Each (topic, key) has a position, the last sequence that is done. What comes later than the next one
is held; a dead letter parks its sequence, and what follows waits until it is settled.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Literal
from uuid import UUID

from chassis import held
from chassis.batch import Batch
from chassis.held import Held
from chassis.inbox import Settled
from chassis.postgres import Connection
from chassis.records import Incoming, spot
from chassis.rows import DISCARDED, Row
from chassis.telemetry import log

Turn = Literal["now", "later", "over"]
LogStarts = Mapping[tuple[str, int], int]


async def load(connection: Connection, batch: Batch[Any]) -> None:
    """What waits for the rows of a batch."""
    keys = [str(row.id) for row in batch.rows.values() if row.waiting]
    for one in await held.waiting(connection, keys) if keys else ():
        by_topic = batch.waiting.setdefault(UUID(one.key), {})
        by_topic.setdefault(one.record.topic, {})[one.sequence] = one


def turn_of(row: Row[Any], one: Incoming, starts: LogStarts) -> Turn:
    """Whether a message is the next of its key, an early one, or one that is done."""
    expected = _expected(row, one, starts)
    number = one.sequence
    if number > expected:
        return "later"
    return "over" if number < expected and one.settles is None else "now"


def _expected(row: Row[Any], one: Incoming, starts: LogStarts) -> int:
    topic = one.topic.name
    if topic in row.positions:
        return row.positions[topic] + 1
    first = one.sequence
    if first > 1 and topic not in row.parked and starts.get((topic, one.record.partition), 0) > 0:
        log.warning("earlier messages are out of retention", topic=topic, sequence=first)
        return first
    return 1


def hold(batch: Batch[Any], row: Row[Any], one: Incoming) -> None:
    """Keep a message until its turn comes."""
    topic, key, number = one.topic.name, str(row.id), one.sequence
    waiting = batch.waiting.setdefault(row.id, {}).setdefault(topic, {})
    reason: Literal["gap", "key_parked"] = "key_parked" if topic in row.parked else "gap"
    waiting[number] = batch.hold[topic, key, number] = Held(one.record, key, number, reason)
    batch.statuses[one.mark] = Settled("held", one.sha, one.at)
    row.waiting = row.changed = True
    batch.count(one, "held")


def advance(row: Row[Any], topic: str, number: int, settles: str | None) -> None:
    """The message with this number is done, and so is the dead letter that it settles."""
    row.positions[topic] = max(number, row.positions.get(topic, 0))
    parked = row.parked.get(topic, {})
    for other, place in list(parked.items()):
        if other == number or (settles is not None and place == settles):
            del parked[other]
    if not parked:
        row.parked.pop(topic, None)
    row.changed = True


def next_held(batch: Batch[Any], row: Row[Any], topic: str) -> Held | None:
    """The waiting message whose turn it is now, taken out of the queue."""
    queue = batch.waiting.get(row.id, {}).get(topic, {})
    number = row.positions.get(topic, 0) + 1
    while row.parked.get(topic, {}).get(number) == DISCARDED:
        advance(row, topic, number, None)
        number += 1
    one = queue.pop(number, None)
    if one is not None and batch.hold.pop((topic, one.key, number), None) is None:
        batch.release.append(one)
    return one


def rest(batch: Batch[Any], row: Row[Any]) -> None:
    """Whether anything of this key still waits."""
    row.waiting = bool(row.parked) or any(batch.waiting.get(row.id, {}).values())
    row.changed = True


def park(batch: Batch[Any], row: Row[Any], one: Incoming) -> None:
    """A dead letter holds up what follows it; one whose number is done holds up nothing."""
    topic = one.topic.name
    done = row.positions.get(topic, 0)
    queue = batch.waiting.get(row.id, {}).get(topic, {})
    number = _claimed_number(one) or max([done, *row.parked.get(topic, {}), *queue]) + 1
    if number > done:
        row.parked.setdefault(topic, {}).setdefault(number, spot(one.at))
        row.waiting = row.changed = True


def _claimed_number(one: Incoming) -> int | None:
    """The sequence that an unreadable record claims, if it is JSON at all."""
    if one.envelope is not None:
        return one.envelope.sequence
    with suppress(ValueError, RecursionError):
        raw = json.loads(one.record.value or b"")
        number = raw.get("sequence") if isinstance(raw, dict) else None
        if type(number) is int and 0 < number < 2**63:
            return number
    return None


def discard(row: Row[Any], one: Incoming) -> None:
    """An operator gives a dead letter up: its number counts as done when its turn comes."""
    topic = one.topic.name
    parked = row.parked.get(topic, {})
    number = next((n for n, place in parked.items() if place == spot(one.at)), None)
    if number is None:
        number = _claimed_number(one) or 0
    if number > row.positions.get(topic, 0):
        row.parked.setdefault(topic, {})[number] = DISCARDED
        row.changed = True
