"""What is to be seen of a stack from outside, and how upstream writes to it."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Any

import asyncpg
from aiokafka.errors import KafkaError

from chassis import kafka
from contracts.envelope import CONTENT_TYPE
from contracts.topics import PAYMENTS_EVENTS
from devstack.mailbox import Mailbox
from ops.connection import Stack
from ops.offsets import GroupOffsets, reads
from ops.quiet import Quiet
from ops.work import Work

#: Waits end as soon as their condition holds; this bounds them on a machine that others use too.
PATIENCE_S = 120.0
#: Mails in one answer of the mailbox, which reads each of them.
_PAGE = 200


class Sight:
    """A stack and its mailbox."""

    def __init__(self, stack: Stack, mailbox: Mailbox) -> None:
        """Nothing is opened."""
        self.stack = stack
        self.mailbox = mailbox
        #: Whether the mailbox still holds every mail that it ever took.
        self.mails_are_kept = True

    async def publish(self, messages: Sequence[dict[str, Any]]) -> None:
        """Send to `payments.events` as an upstream does: until acknowledged, if need be again."""
        while True:
            try:
                return await self._publish(messages)
            except (KafkaError, TimeoutError, OSError):
                await asyncio.sleep(0.1)

    async def _publish(self, messages: Sequence[dict[str, Any]]) -> None:
        producer = kafka.producer(self.stack.kafka, "upstream")
        try:
            await asyncio.wait_for(producer.start(), 10)
            topic = self.stack.topic(PAYMENTS_EVENTS.name)
            headers = [("content-type", CONTENT_TYPE.encode())]
            sent = []
            for message in messages:
                value, key = json.dumps(message).encode(), message["subject"].encode()
                sent.append(await producer.send(topic, value, key, headers=headers))
            await asyncio.wait_for(asyncio.gather(*sent), 20)
        finally:
            with suppress(Exception):
                await asyncio.wait_for(producer.stop(), 5)

    async def quiet(self) -> Work:
        """Wait until every service has caught up."""
        async with Quiet(self.stack) as quiet:
            return await quiet.wait(PATIENCE_S)

    async def catch_up(self, ahead: timedelta, timeout_s: float = PATIENCE_S) -> None:
        """Wait until every service has caught up and what is due within `ahead` has happened.

        A virtual clock is moved there; real time is waited for. A mail whose end is unknown is sent
        again after a minute, so that "caught up" alone is not the end.
        """
        async with Quiet(self.stack) as quiet:
            work = await quiet.wait(timeout_s)
            end = work.now + ahead
            while work.next_due_at is not None and work.next_due_at <= end:
                if self.stack.virtual:
                    await self.set_clock(work.next_due_at)
                else:
                    await asyncio.sleep(max(0.0, (work.next_due_at - work.now).total_seconds()))
                work = await quiet.wait(timeout_s)

    async def set_clock(self, now: datetime) -> None:
        """Move the clock without waiting."""
        async with self.stack.database("OPS") as connection:
            await connection.execute("update ops.clock set now = $1", now)
            await connection.execute("select pg_notify('tenure_clock', '')")

    @asynccontextmanager
    async def database(self) -> AsyncIterator["asyncpg.Connection"]:
        """The scene's database, as the owner of its tables."""
        async with self.stack.database("MIGRATOR") as connection:
            yield connection

    async def count(self, query: str, *arguments: object) -> int:
        """The number that a query gives."""
        async with self.database() as connection:
            return int(await connection.fetchval(query, *arguments))

    async def ahead(self, service: str) -> int:
        """How many messages the inbox holds that lie beyond the committed offsets."""
        async with GroupOffsets(self.stack, reads(self.stack)) as offsets:
            committed = (await offsets.committed())[self.stack.group(service)]
        by_place = {(tp.topic, tp.partition): offset for tp, offset in committed.items()}
        query = f'select topic, partition, "offset" from {service}.inbox where consumer = $1'
        async with self.database() as connection:
            rows = await connection.fetch(query, service)
        return sum(
            row["offset"] >= by_place.get((self.stack.topic(row["topic"]), row["partition"]), 0)
            for row in rows
        )

    async def mails(self) -> list[dict[str, Any]]:
        """All mails that the mailbox holds, as summaries."""
        found: list[dict[str, Any]] = []
        while part := await self.mailbox.messages(limit=_PAGE, start=len(found)):
            found += part
        return found

    async def copies(self) -> Counter[str]:
        """How many copies of each mail the mailbox holds, by Message-ID."""
        return Counter(mail["MessageID"] for mail in await self.mails())
