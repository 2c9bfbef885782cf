"""The database server: durable, password-protected, and never confused with another one."""

import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from devstack.errors import DevstackConfigurationError, DevstackError
from devstack.ports import Ports
from devstack.postgres import Postgres
from devstack.postgres_roles import MIGRATOR, SERVICE_ROLES


@asynccontextmanager
async def server(
    state_dir: Path, port: int | None = None, *, durable: bool = False
) -> AsyncIterator[Postgres]:
    postgres = Postgres(state_dir, port or Ports.free().postgres, durable=durable)
    try:
        await postgres.start()
        yield postgres
    finally:
        await postgres.stop()


async def run(dsn: str, *statements: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        for statement in statements[:-1]:
            await connection.execute(statement)
        return await connection.fetchval(statements[-1])
    finally:
        await connection.close()


async def test_committed_rows_survive_crash_and_restart(tmp_path: Path) -> None:
    async with server(tmp_path, durable=True) as postgres:
        dsn = postgres.dsn(MIGRATOR)
        await run(
            dsn, "CREATE SCHEMA s", "CREATE TABLE s.t AS SELECT generate_series(1, 500)", "SELECT 1"
        )
        await postgres.crash()
        await postgres.start()
        assert await run(dsn, "SELECT count(*) FROM s.t") == 500
        await postgres.restart()
        assert await run(dsn, "SELECT count(*) FROM s.t") == 500


async def test_roles_have_their_rights_and_no_more(tmp_path: Path) -> None:
    async with server(tmp_path) as postgres:
        for role in SERVICE_ROLES:
            assert await run(postgres.dsn(role), "SELECT current_user") == role
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await run(postgres.dsn(role), "CREATE SCHEMA mine", "SELECT 1")
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(
                host="127.0.0.1",
                port=postgres.port,
                user=MIGRATOR,
                password="wrong",
                database="tenure",
                ssl=False,
            )
        mode = (tmp_path / "roles.json").stat().st_mode
        assert stat.S_IMODE(mode) == 0o600


async def test_databases_are_copied_and_dropped(tmp_path: Path) -> None:
    async with server(tmp_path) as postgres:
        await postgres.create_database("original")
        await run(postgres.dsn(MIGRATOR, "original"), "CREATE TABLE t (i int)", "SELECT 1")
        await postgres.create_database("copy", template="original")
        await run(postgres.dsn(MIGRATOR, "copy"), "INSERT INTO t VALUES (1)", "SELECT 1")
        await postgres.drop_database("copy")
        await postgres.drop_database("copy")
        with pytest.raises(asyncpg.InvalidCatalogNameError):
            await asyncpg.connect(postgres.dsn(MIGRATOR, "copy"))


async def test_foreign_server_on_the_port_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(DevstackConfigurationError, match=f"Port {port} .*TENURE_POSTGRES_PORT"):
            await Postgres(tmp_path, port).start()


async def test_lost_passwords_are_explained(tmp_path: Path) -> None:
    async with server(tmp_path) as postgres:
        await postgres.stop()
        (tmp_path / "roles.json").unlink()
        with pytest.raises(DevstackError, match=r"roles\.json .*restore it"):
            await postgres.start()
