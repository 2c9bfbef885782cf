"""Plain SQL migrations, forward only: one schema per service, one transaction per file, applied once."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from chassis.errors import ConfigurationError

_OWN = Path(__file__).parent / "sql"
_LOCK = 7_281_001


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema with the folders of its files in order, and the role that works in it."""

    name: str
    folders: tuple[Path, ...]
    role: str
    #: Roles that may read its tables, as all services read ops.clock.
    readers: tuple[str, ...] = ()

    def files(self) -> list[tuple[str, str]]:
        """All files in order: their names and texts."""
        return [
            (f"{folder.parent.name}/{file.name}", file.read_text())
            for folder in self.folders
            for file in sorted(folder.glob("*.sql"))
        ]


def service_schema(name: str, folder: Path) -> Schema:
    """The schema of a service: the chassis' tables first, then its own."""
    return Schema(name, (_OWN, folder), f"tenure_{name}")


async def migrate(dsn: str, schemas: list[Schema]) -> int:
    """Apply what is missing, as the owner of the database; returns how many files were applied.

    Safe to run at once from several places. Raises ConfigurationError when an applied file changed.
    """
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("select pg_advisory_lock($1)", _LOCK)
        applied = 0
        for schema in schemas:
            applied += await _migrate_one(connection, schema)
        return applied
    finally:
        await connection.close()


async def _migrate_one(connection: asyncpg.Connection, schema: Schema) -> int:
    name = schema.name
    await connection.execute(f'create schema if not exists "{name}"')
    await connection.execute(
        f'create table if not exists "{name}".migration (file text primary key, sha256 text not null,'
        " applied_at timestamptz not null default now())"
    )
    rows = await connection.fetch(f'select file, sha256 from "{name}".migration')
    known = {row["file"]: row["sha256"] for row in rows}
    applied = 0
    for file, text in schema.files():
        digest = hashlib.sha256(text.encode()).hexdigest()
        if file in known:
            if known[file] != digest:
                raise ConfigurationError(f"Migration {file} was changed after it was applied.")
            continue
        async with connection.transaction():
            await connection.execute(f'set local search_path to "{name}"')
            await connection.execute(text)
            await connection.execute(
                f'insert into "{name}".migration (file, sha256) values ($1, $2)', file, digest
            )
        applied += 1
    await _grant(connection, schema)
    return applied


async def _grant(connection: asyncpg.Connection, schema: Schema) -> None:
    """Least privilege: data for the service, `read_*` views for readers. Absent roles are passed over."""
    name = schema.name
    rows = await connection.fetch("select rolname from pg_roles where rolname like 'tenure_%'")
    roles = {row["rolname"] for row in rows}
    if schema.role in roles:
        await connection.execute(
            f'grant usage on schema "{name}" to {schema.role};'
            f'grant select, insert, update, delete on all tables in schema "{name}" to {schema.role};'
            f'grant usage on all sequences in schema "{name}" to {schema.role};'
            f'revoke insert, update, delete on "{name}".migration from {schema.role}'
        )
    for reader in set(schema.readers) & roles:
        await connection.execute(
            f'grant usage on schema "{name}" to {reader};'
            f'grant select on all tables in schema "{name}" to {reader}'
        )
    if "tenure_reader" in roles:
        views = await connection.fetch(
            "select viewname from pg_views where schemaname = $1 and viewname like 'read_%'", name
        )
        await connection.execute(f'grant usage on schema "{name}" to tenure_reader')
        for view in views:
            await connection.execute(
                f'grant select on "{name}"."{view["viewname"]}" to tenure_reader'
            )


async def verify(connection: asyncpg.Connection, schema: Schema) -> None:
    """Raises ConfigurationError when the database is older or newer than this code."""
    try:
        rows = await connection.fetch(f'select file from "{schema.name}".migration')
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        rows = []
    known, wanted = {row["file"] for row in rows}, {file for file, _ in schema.files()}
    if wanted - known:
        raise ConfigurationError(
            f"The database lacks migration {min(wanted - known)}: run 'tenure db migrate'."
        )
    if known - wanted:
        raise ConfigurationError(
            f"Schema '{schema.name}' is newer than this version of Tenure: the database has migration"
            f" {max(known - wanted)}, this version knows them up to {max(wanted)}."
            " Start the version that made it, or restore a backup from before."
        )
