"""What one worker of a test run has to itself on the shared stack: a database, topics, groups."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from chassis import kafka
from devstack.mailbox import Mailbox
from ops.connection import Stack
from tests.support.held_stack import TEMPLATE

#: Where the virtual clock of a worker starts.
START = datetime(2025, 1, 6, 8, tzinfo=UTC)
_SETTINGS = {
    "CLOCK": "virtual",
    "KAFKA_PARTITIONS": "3",
    "KAFKA_SESSION_TIMEOUT_MS": "6000",
    "LOG_LEVEL": "INFO",
}


@dataclass(frozen=True)
class WorkerStack:
    """The addresses of one worker; `name` is its database, `variables` its environment."""

    name: str
    variables: dict[str, str]
    mailbox: Mailbox
    folder: Path

    @property
    def prefix(self) -> str:
        """Stands before the names of this worker's topics and groups."""
        return self.variables["KAFKA_TOPIC_PREFIX"]

    @property
    def bootstrap(self) -> str:
        """The address of Kafka."""
        return self.variables["KAFKA_BOOTSTRAP_SERVERS"]

    @property
    def smtp_url(self) -> str:
        """Where mail is handed in."""
        return self.variables["SMTP_URL"]

    @property
    def ops(self) -> Stack:
        """The same for the `tenure` command's own code: Quiet, VirtualClock, topics and groups."""
        return Stack(self.variables)

    def dsn(self, role: str = "migrator", database: str | None = None) -> str:
        """This worker's database for a role: billing, migrator, reader, ops, superuser, ..."""
        return _of(self.variables[f"{role.upper()}_DATABASE_URL"], database or self.name)

    @asynccontextmanager
    async def connect(
        self, role: str = "migrator", database: str | None = None
    ) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        """A connection for a role, to this worker's database or another."""
        connection = await asyncpg.connect(self.dsn(role, database))
        try:
            yield connection
        finally:
            await connection.close(timeout=5)

    async def create_database(self, name: str, template: str = TEMPLATE) -> None:
        """Another database, migrated unless another template is named; see `drop_database`."""
        async with self.connect("superuser", "postgres") as connection:
            await connection.execute(f'drop database if exists "{name}" with (force)')
            await connection.execute(
                f'create database "{name}" owner tenure_migrator template "{template}"'
            )

    async def drop_database(self, name: str) -> None:
        """Remove a database, whoever is connected to it."""
        async with self.connect("superuser", "postgres") as connection:
            await connection.execute(f'drop database if exists "{name}" with (force)')

    def with_prefix(self, prefix: str, database: str) -> "WorkerStack":
        """The same stack with other topics, groups and database; they are not created here."""
        changed = {"KAFKA_TOPIC_PREFIX": prefix, "KAFKA_GROUP_PREFIX": prefix}
        urls = {k: v for k, v in self.variables.items() if k.endswith("_DATABASE_URL")}
        moved = {k: _of(url, database) for k, url in urls.items()}
        return WorkerStack(
            database, {**self.variables, **moved, **changed}, self.mailbox, self.folder
        )


def worker_stack(given: dict[str, str], worker: str, folder: Path) -> WorkerStack:
    """The worker's part of the stack at these addresses; nothing is created yet."""
    name = f"tests_{worker}"
    prefix = f"{worker}-"
    moved = {
        variable: _of(url, name)
        for variable, url in given.items()
        if variable.endswith("_DATABASE_URL")
    }
    smtp, http = urlsplit(given["SMTP_URL"]), urlsplit(given["MAILBOX_URL"])
    own = folder / worker
    own.mkdir(exist_ok=True)
    variables = {
        **given,
        **moved,
        **_SETTINGS,
        "KAFKA_TOPIC_PREFIX": prefix,
        "KAFKA_GROUP_PREFIX": prefix,
        "TENURE_STATE_DIR": str(own),
    }
    return WorkerStack(name, variables, Mailbox(own, smtp.port or 0, http.port or 0), own)


async def create(stack: WorkerStack) -> None:
    """Database (migrated, clock set) and topics of a worker."""
    await stack.create_database(stack.name)
    async with stack.connect("ops") as connection:
        await connection.execute("insert into ops.clock (now) values ($1)", START)
    await kafka.apply_topics(stack.ops.kafka)


def _of(url: str, database: str) -> str:
    return urlsplit(url)._replace(path=f"/{database}").geturl()
