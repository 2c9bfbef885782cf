"""Sending dead letters back to their service, or settling them without processing.

In the order of their origin, a batch at a time: first the decisions on `ops.audit`, then the letters on
the redrive topic of their service. Whatever is sent twice is settled once, by the service.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Literal
from uuid import UUID, uuid4

from contracts.topics import REDRIVE
from ops.connection import Stack
from ops.dead_letters import DeadLetter, parked
from ops.dlq.auditing import decided, outbound
from ops.dlq.content import parsed, text_field
from ops.dlq.progress import Look, Progress
from ops.sending import Headers, Outbound, sender
from ops.work import read_now

Action = Literal["redrive", "discard"]
#: Letters per second when nothing else is said.
RATE = 1000
_TICK_S = 0.2


@dataclass(frozen=True)
class Decision:
    """What becomes of dead letters, who decided it and why; `replacement` is a corrected message."""

    action: Action
    who: str
    why: str | None
    replacement: bytes | None = None


def in_order(letters: Iterable[DeadLetter]) -> list[DeadLetter]:
    """As they came: by offset within a partition, and by the broker's time across partitions."""
    ordered: list[tuple[tuple[str, str], int, DeadLetter]] = []
    by_place = sorted(letters, key=lambda each: each.origin)
    for place, group in groupby(
        by_place, key=lambda each: (each.origin.service, each.origin.topic, each.origin.partition)
    ):
        latest_ms = 0  # the clock of a broker may have been set back
        for letter in group:
            latest_ms = max(latest_ms, letter.taken_ms)
            ordered.append((place[:2], latest_ms, letter))
    return [letter for _, _, letter in sorted(ordered, key=lambda each: each[:2])]


def headers(letter: DeadLetter, decision: Decision, id: UUID) -> Headers:
    """What tells the service which dead letter it is, and who decided what; its own headers follow."""
    origin = letter.origin
    text = {
        "redrive-topic": letter.headers["dlq-topic"],
        "redrive-partition": str(origin.partition),
        "redrive-offset": str(origin.offset),
        "redrive-timestamp": str(letter.taken_ms),
        "redrive-action": decision.action,
        "redrive-id": str(id),
        "redrive-who": decision.who,
        **({"redrive-why": decision.why} if decision.why else {}),
    }
    own = {
        name.removeprefix("origin-"): value
        for name, value in letter.headers.items()
        if name.startswith("origin-") and not name.startswith("origin-redrive-")
    }
    return [(name, value.encode()) for name, value in {**own, **text}.items()]


async def settle(
    stack: Stack,
    letters: Sequence[DeadLetter],
    decision: Decision,
    *,
    rate: int = RATE,
    tell: Callable[[Progress], None] = lambda progress: None,
) -> Progress:
    """Publish one decision per dead letter, at most `rate` a second, and wait for what becomes of them.

    What is settled already is left out; what is still open after 10 s without news stays open. Raises
    WrongUsage for a wrong `who` or `why`, Unavailable.
    """
    began = time.monotonic()
    async with stack.database() as connection:
        now = await read_now(connection, virtual=stack.virtual)
        before = await parked(connection, stack)
        left = [letter for letter in in_order(letters) if letter.origin in before]
        progress = Progress({letter.origin: before[letter.origin] for letter in left})
        look = Look(connection, stack, progress, tell)
        size = max(1, int(rate * _TICK_S))
        async with sender(stack) as to:
            for start in range(0, len(left), size):
                tick = time.monotonic()
                batch = left[start : start + size]
                told, sent = _records(batch, decision, now)
                await to.send_all(told)
                await to.send_all(sent)
                progress.sent |= {letter.origin for letter in batch}
                await look.now_and_then()
                if start + size < len(left):
                    await asyncio.sleep(max(0.0, len(batch) / rate - (time.monotonic() - tick)))
        await look.to_the_end()
    progress.took_s = time.monotonic() - began
    return progress


def _records(
    letters: Sequence[DeadLetter], decision: Decision, now: datetime
) -> tuple[list[Outbound], list[Outbound]]:
    """What is told about a batch, and the batch."""
    told, sent = [], []
    for letter in letters:
        id = uuid4()
        message = decided(
            letter,
            id,
            now,
            action=decision.action,
            edited=decision.replacement is not None,
            who=decision.who,
            why=decision.why,
        )
        told.append(outbound(message))
        value = letter.value if decision.replacement is None else decision.replacement
        topic = REDRIVE[letter.origin.service].name
        sent.append(Outbound(topic, _key(letter, value), value, headers(letter, decision, id)))
    return told, sent


def _key(letter: DeadLetter, value: bytes) -> bytes | None:
    """The key that its subject asks for; without one, the key that it had."""
    return text_field(parsed(value), "subject").encode(errors="replace") or letter.key
