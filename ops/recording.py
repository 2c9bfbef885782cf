"""What is written to the topics of a stack, found by subject; a message that came twice counts once."""

from collections import defaultdict
from collections.abc import Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self, TypeVar

from aiokafka import ConsumerRecord

from contracts.base import Data
from contracts.envelope import Envelope
from contracts.topics import DEAD_LETTERS, REDRIVE, TOPICS, Topic
from ops.broker import Broker
from ops.connection import Stack
from ops.dead_letters import DeadLetter, from_record
from ops.records import read_to
from ops.tail_lines import understood

D = TypeVar("D", bound=Data)
_LETTERS = frozenset(topic.name for topic in DEAD_LETTERS.values())
_OPAQUE = _LETTERS | {topic.name for topic in REDRIVE.values()}


class Recording:
    """`async with Recording(stack)` remembers what comes from then on, each time `read_on` is asked."""

    def __init__(self, stack: Stack, topics: Sequence[Topic] = TOPICS) -> None:
        """Nothing is read yet."""
        self._stack = stack
        self._topics = topics
        # Two connections: one that is fetching answers slowly where a topic ends.
        self._reading, self._asking = Broker(stack), Broker(stack)
        self._open = AsyncExitStack()
        self._seen: set[tuple[str, str]] = set()
        self._messages: defaultdict[str, list[Envelope]] = defaultdict(list)
        #: Every record, repetitions and dead letters included.
        self.records: list[ConsumerRecord] = []
        self.dead_letters: list[DeadLetter] = []

    async def __aenter__(self) -> Self:
        """Connect; what was written before does not count. Raises Unavailable."""
        async with AsyncExitStack() as opening:
            await opening.enter_async_context(self._reading)
            await opening.enter_async_context(self._asking)
            names = [self._stack.topic(topic.name) for topic in self._topics]
            self._partitions = await self._asking.partitions(names)
            ends = await self._asking.ends(self._partitions)
            self._reading.consumer.assign(self._partitions)
            for partition, end in ends.items():
                self._reading.consumer.seek(partition, end)
            self._open = opening.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Disconnect; what was recorded stays."""
        await self._open.aclose()

    async def read_on(self) -> None:
        """Read up to the present ends of all topics."""
        ends = await self._asking.ends(self._partitions)
        async for batch in read_to(self._reading, ends):
            for records in batch.values():
                for record in records:
                    self._keep(record)

    def _keep(self, record: ConsumerRecord) -> None:
        self.records.append(record)
        topic = self._stack.plain_topic(record.topic)
        if topic in _LETTERS:
            self.dead_letters.append(from_record(self._stack, record))
        message = None if topic in _OPAQUE else understood(record.value)
        if message is not None and (message.source, message.id) not in self._seen:
            self._seen.add((message.source, message.id))
            self._messages[message.subject].append(message)

    def messages(self, subject: object) -> list[Envelope]:
        """All messages of a subject, in order per topic."""
        return self._messages.get(str(subject), [])

    def told(self, subject: object, kind: type[D]) -> list[D]:
        """The data of all messages of one type about a subject, in order."""
        return [m.data for m in self.messages(subject) if isinstance(m.data, kind)]

    def caused_by(self, subject: object, id: str) -> list[Envelope]:
        """What was said about a subject because of one message."""
        return [m for m in self.messages(subject) if m.causationid == id]
