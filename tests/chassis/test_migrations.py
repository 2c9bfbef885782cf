"""Migrations: applied once, by many at once, never changed; roles see no more than they need."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio

from chassis import migrations
from chassis.errors import ConfigurationError
from chassis.migrations import Schema
from ops.database import schemas
from tests.support.worker_stack import WorkerStack


@pytest_asyncio.fixture
async def database(stack: WorkerStack) -> AsyncIterator[str]:
    """The name of an empty database."""
    name = f"{stack.name}_{uuid4().hex[:8]}"
    await stack.create_database(name, template="template1")
    yield name
    await stack.drop_database(name)


@pytest.fixture
def schema(tmp_path: Path) -> Schema:
    """A schema of two files."""
    (tmp_path / "001_one.sql").write_text("create table one (a int);")
    (tmp_path / "002_two.sql").write_text(
        "create table two (a int); create view read_two as select a from two;"
    )
    return Schema("billing", (tmp_path,), "tenure_billing", ("tenure_licensing",))


async def test_many_runners_at_once_apply_each_file_once(
    stack: WorkerStack, database: str, schema: Schema
) -> None:
    dsn = stack.dsn("migrator", database)
    counts = await asyncio.gather(*(migrations.migrate(dsn, [schema]) for _ in range(4)))
    assert sorted(counts) == [0, 0, 0, 2]


async def test_an_older_and_a_newer_database_are_refused(
    stack: WorkerStack, database: str, schema: Schema
) -> None:
    async with stack.connect("migrator", database) as connection:
        with pytest.raises(ConfigurationError, match=r"lacks migration .*001_one\.sql"):
            await migrations.verify(connection, schema)
        await migrations.migrate(stack.dsn("migrator", database), [schema])
        await migrations.verify(connection, schema)
        (schema.folders[0] / "002_two.sql").unlink()
        with pytest.raises(ConfigurationError, match=r"has migration .*002_two\.sql"):
            await migrations.verify(connection, schema)


async def test_roles_reach_what_is_theirs_and_no_more(stack: WorkerStack) -> None:
    questions = {
        ("billing", "select count(*) from billing.outbox"): True,
        ("billing", "delete from billing.inbox where id = ''"): True,
        ("billing", "select now from ops.clock"): True,
        ("billing", "update ops.clock set now = now()"): False,
        ("billing", "select count(*) from licensing.license"): False,
        ("billing", "delete from billing.migration"): False,
        ("billing", "create table billing.mine (a int)"): False,
        ("licensing", "select count(*) from notifications.contact"): False,
        ("ops", "update ops.clock set now = now + interval '0'"): True,
        ("ops", "select count(*) from billing.subscription"): False,
        ("reader", "select count(*) from billing.read_work"): True,
        ("reader", "select count(*) from notifications.read_mail"): True,
        ("reader", "select count(*) from billing.subscription"): False,
        ("reader", "select count(*) from notifications.contact"): False,
        ("reader", "select count(*) from billing.migration"): False,
    }
    for (role, statement), allowed in questions.items():
        async with stack.connect(role) as connection:
            try:
                await connection.execute(statement)
                found = True
            except asyncpg.InsufficientPrivilegeError:
                found = False
        assert found == allowed, f"{role}: {statement}"


async def test_readers_reach_every_read_view(stack: WorkerStack) -> None:
    async with stack.connect("reader") as connection:
        for schema in schemas(simulator=True):
            views = await connection.fetch(
                "select table_name from information_schema.tables"
                " where table_schema = $1 and table_name like 'read\\_%'",
                schema.name,
            )
            assert views, schema.name
            for view in views:
                await connection.fetch(f"select * from {schema.name}.{view['table_name']} limit 1")


_NARROWS = re.compile(
    r"\b(drop\s+(table|column|schema|type|view)|rename|truncate|delete\s+from|set\s+not\s+null"
    r"|alter\s+column\s+\S+\s+(set\s+data\s+)?type|drop\s+default)\b"
)


def test_migrations_take_nothing_away_from_workers_of_the_version_before() -> None:
    """They run beside the new schema until they are replaced: docs/operations.md, Upgrading."""
    files = [file for schema in schemas(simulator=True) for file in schema.files()]
    assert len(files) > 8
    for name, text in files:
        plain = re.sub(r"--[^\n]*", "", text.lower())
        assert not _NARROWS.findall(plain), name
    assert _NARROWS.search("alter table inbox drop column sha")
    assert _NARROWS.search("alter table inbox alter column sha type text")
