"""A post office for tests: the real ledger, processor and mailer, a clock that we set, a mailbox."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import asyncpg

from chassis.clock import Clock
from chassis.dead_letters import Limits
from chassis.postgres import Connection
from chassis.processing import Processor
from chassis.records import Record
from chassis.service import Runtime
from chassis.tracing import OFF
from contracts import billing
from contracts.catalogue import ENVELOPES
from contracts.envelope import Envelope
from devstack.mailbox import Mailbox
from policies import load_policies
from services.notifications.delivery import Delivery
from services.notifications.domain.correspondence import Correspondence
from services.notifications.mailer import Mailer
from services.notifications.settings import NotificationsSettings
from services.notifications.store import contacts, correspondences
from tests.domain.notifications.stories import CUSTOMER, SUBSCRIPTION, T0, named

_PATIENCE_S = 15.0


class SetClock(Clock):
    """A clock that shows what the test says."""

    def __init__(self) -> None:
        super().__init__("virtual")
        self.instant = T0

    async def now(self, connection: Connection) -> datetime:
        return self.instant


class Office:
    """Notifications without Kafka: events go in, mails come out, what was said is in the outbox."""

    def __init__(self, pool: asyncpg.Pool, mailbox: Mailbox, dsn: str) -> None:
        self.pool = pool
        self.mailbox = mailbox
        self.clock = SetClock()
        self._dsn = dsn
        self.processor: Processor[Correspondence] = Processor(
            "notifications",
            correspondences(load_policies()),
            pool,
            self.clock,
            Limits(10, 0.5),
            lambda published, near: None,
        )

    def mailer(self, **settings: Any) -> Mailer:
        """A mailer that is not started yet."""
        return Mailer(self._runtime(), self._settings(settings))

    def delivery(self) -> Delivery:
        """What a mailer does, without its loops."""
        return Delivery(self._runtime(), self._settings({}))

    def _runtime(self) -> Runtime:
        runtime = SimpleNamespace(
            pool=self.pool, processor=self.processor, clock=self.clock, traces=OFF
        )
        return cast(Runtime, runtime)

    def _settings(self, changes: dict[str, Any]) -> NotificationsSettings:
        usual = {
            "DATABASE_URL": self._dsn,
            "SMTP_URL": f"smtp://127.0.0.1:{self.mailbox.smtp_port}",
            "kafka_bootstrap_servers": "unused:9092",
            "NOTIFICATIONS_SMTP_CONNECTIONS": 2,
            "NOTIFICATIONS_MAIL_LEASE": 1,
        }
        return NotificationsSettings(**{**usual, **changes})

    @asynccontextmanager
    async def sending(self, **settings: Any) -> AsyncIterator[Mailer]:
        """A mailer that runs."""
        mailer = self.mailer(**settings)
        await mailer.start()
        try:
            yield mailer
            assert not mailer.crashed, mailer.crash_reason
        finally:
            await mailer.stop()

    async def hear(self, *events: Envelope, id: UUID = SUBSCRIPTION) -> None:
        """Decide on events, in one transaction."""
        await self.processor.run([(id, event) for event in events])

    async def contact(self, sequence: int = 1, **changes: Any) -> None:
        """The customer's contact arrives."""
        usual = {
            "customer_id": CUSTOMER,
            "name": "Ada Lovelace",
            "email": "ada@x.example",
            "locale": "en",
        }
        await self.project(sequence, billing.CustomerContact(**{**usual, **changes}))

    async def project(self, sequence: int, contact: billing.CustomerContact | None) -> None:
        """A record of customers.contacts arrives; None is a tombstone."""
        envelope = contact and ENVELOPES[contact.TYPE](
            specversion="1.0",
            id=str(named(f"contact {sequence}")),
            source="/tenure/billing",
            type=contact.TYPE,
            subject=str(contact.customer_id),
            time=T0,
            providerid="online-store",
            sequence=sequence,
            data=contact,
        )
        record = Record(
            "customers.contacts",
            0,
            sequence,
            0,
            str(CUSTOMER).encode(),
            envelope.to_json() if envelope else None,
            (("ce_sequence", str(sequence).encode()),),
            envelope or None,
        )
        async with self.pool.acquire() as connection, connection.transaction():
            await contacts(connection, [record])

    async def settled(self, mails: int = 1) -> None:
        """Wait until so many mails have met their end."""
        await self.until("select count(*) = $1 from mail where status = 'done'", mails)

    async def until(self, question: str, *arguments: Any) -> None:
        """Wait until the database says yes."""
        async with asyncio.timeout(_PATIENCE_S):
            while not await self.pool.fetchval(question, *arguments):  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def pause(self) -> None:
        """Give a mailer several rounds to do what it should not do."""
        await asyncio.sleep(0.3)

    def later(self, span: timedelta) -> None:
        """Business time passes."""
        self.clock.instant += span

    async def said(self) -> list[str]:
        """What was told, such as `mail-accepted receipt`, in order."""
        rows = await self.pool.fetch("select type, value from outbox order by id")
        return [f"{row['type'].split('.')[1]} {data_of(row)['kind']}" for row in rows]

    async def told(self, type: str) -> list[dict[str, Any]]:
        """The data of everything told of this type."""
        rows = await self.pool.fetch(
            "select value from outbox where type = $1 order by id", f"notifications.{type}.v1"
        )
        return [data_of(row) for row in rows]

    async def rows(self) -> list[asyncpg.Record]:
        """The mail ledger."""
        rows: list[asyncpg.Record] = await self.pool.fetch("select * from mail order by kind")
        return rows

    async def copies(self) -> list[str]:
        """The Message-IDs of all mails in the mailbox."""
        return sorted(str(one["MessageID"]) for one in await self.mailbox.messages(limit=1000))

    async def faults(self, *rules: dict[str, Any]) -> None:
        """From now on the mailbox misbehaves like this."""
        await self.mailbox.set_faults(rules)


def data_of(row: asyncpg.Record) -> dict[str, Any]:
    """The data of an outbox row."""
    data: dict[str, Any] = json.loads(row["value"])["data"]
    return data


def kinds(rows: Sequence[asyncpg.Record]) -> dict[str, str | None]:
    """How each mail ended, by kind."""
    return {row["kind"]: row["outcome"] for row in rows}
