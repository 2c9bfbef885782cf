"""A heap of bad messages between good ones, published in one go, and what became of each."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

from contracts.topics import PAYMENTS_EVENTS, Topic
from ops.dead_letters import DeadLetter
from tests.support import upstream
from tests.support.desk import Desk, Header

TAG = uuid4().hex[:8]
Change = Callable[[dict[str, Any], datetime], None]
#: Kafka gives headers back as they were, whatever they hold.
HEADERS: list[Header] = [("trace", b"abc-1"), ("binary", b"\xff\x00"), ("empty", None)]


@dataclass
class Bad:
    """One bad record: how it is made, and the dead letter that it must become."""

    name: str
    code: str
    says: str = ""
    topic: Topic = PAYMENTS_EVENTS
    key: bytes | None = None
    no_key: bool = False
    value: bytes | None = None
    no_value: bool = False
    change: Change | None = None
    spoil: Callable[[bytes], bytes] = bytes
    place: tuple[int, int] = field(default=(-1, -1), init=False)

    @property
    def reference(self) -> str:
        """The reference of the subscription that it is about."""
        return f"bad-{self.name}-{TAG}"

    def record(self, now: datetime) -> tuple[bytes | None, bytes | None]:
        """Key and value; a good order changed for the worse unless a value was given."""
        if self.value is None and not self.no_value:
            data = upstream.order(self.reference, f"O-{self.reference}")
            message = upstream.message(self.reference, "order-placed", now, data)
            if self.change:
                self.change(message, now)
            self.value = self.spoil(upstream.raw(message))
        return None if self.no_key else self.key or self.reference.encode(), self.value


def data(**changes: Any) -> Change:
    """Change fields of the data; None removes one."""

    def change(message: dict[str, Any], now: datetime) -> None:
        message["data"] = _changed(message["data"], changes)

    return change


def envelope(**changes: Any) -> Change:
    """Change fields of the envelope; None removes one, a function is given the present instant."""

    def change(message: dict[str, Any], now: datetime) -> None:
        made = {name: c(now) if callable(c) else c for name, c in changes.items()}
        changed = _changed(message, made)
        message.clear()
        message.update(changed)

    return change


def _changed(value: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    kept = {**value, **changes}
    return {name: inner for name, inner in kept.items() if inner is not None}


class Heap:
    """Publishes good and bad in turn, waits until billing has caught up, and remembers."""

    def __init__(self, desk: Desk, good: int = 12) -> None:
        """Nothing is published yet."""
        self._desk = desk
        self.good = [f"good-{number}-{TAG}" for number in range(good)]
        self.recording = desk.recording

    async def pile(self, bad: Sequence[Bad]) -> None:
        """Publish all in one burst, so that good and bad share batches."""
        self.now = await self._desk.now()
        await asyncio.gather(
            *(self._desk.subscribe(reference, self.now) for reference in self.good),
            *(self._send(one) for one in bad),
        )
        await self._desk.settled()

    async def _send(self, bad: Bad) -> None:
        done = await self._desk.send(bad.topic, *bad.record(self.now), HEADERS)
        bad.place = (done.partition, done.offset)

    def letters(self, bad: Bad) -> list[DeadLetter]:
        """The dead letters of a record, by where it was."""
        return [
            letter
            for letter in self.recording.dead_letters
            if letter.origin.service == "billing"
            and letter.origin.topic == bad.topic.name
            and (letter.origin.partition, letter.origin.offset) == bad.place
        ]
