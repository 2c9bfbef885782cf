"""One PostgreSQL server as a child process, durable in its folder."""

import asyncio
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import psutil

from devstack.errors import DevstackError
from devstack.identity import Identity, unprivileged
from devstack.ports import HOST, refuse_foreign, taken
from devstack.postgres_binaries import find_postgres
from devstack.postgres_roles import DATABASE, MIGRATOR, SUPERUSER, ensure_roles, load_passwords
from devstack.processes import Child, spawn, wait_for_predecessor

_READY_POLL_S = 0.02
_INITDB_TIMEOUT_S = 120.0
_INITDB_OPTIONS = (
    "--username",
    SUPERUSER,
    "--auth",
    "scram-sha-256",
    "--encoding",
    "UTF8",
    # The built-in provider sorts alike on every machine.
    "--locale",
    "C",
    "--locale-provider",
    "builtin",
    "--builtin-locale",
    "C.UTF-8",
)
_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "300",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # A container's /dev/shm is often too small.
    "dynamic_shared_memory_type": "mmap",
}


class Postgres:
    """A server on `port` whose data lives in `<state_dir>/postgres`."""

    def __init__(self, state_dir: Path, port: int, *, durable: bool = True) -> None:
        """Nothing is started or written yet; `durable=False` gives up fsync, for tests only."""
        self.port = port
        self._durable = durable
        self._state = state_dir.resolve()
        self._data = self._state / "postgres" / "data"
        self._log = self._state / "logs" / "postgres.log"
        self._passwords: dict[str, str] = {}
        self._child: Child | None = None

    @property
    def pid(self) -> int | None:
        """Process id of the running server, or None."""
        return self._child.pid if self._child is not None and self._child.running() else None

    def dsn(self, role: str, database: str = DATABASE) -> str:
        """The address for `role` with its password; valid after `start`."""
        # sslmode: without it asyncpg looks for key files in a home that may not be readable.
        return (
            f"postgresql://{role}:{self._passwords[role]}@{HOST}:{self.port}/{database}"
            "?sslmode=disable"
        )

    async def start(self, timeout_s: float = 60.0) -> None:
        """Start, wait until the server answers as ours, make roles and database.

        Raises DevstackError when a port is taken or the server gives up.
        """
        if self.pid is not None:
            return
        bin_folder = find_postgres()
        self._data.parent.mkdir(parents=True, exist_ok=True)
        who = unprivileged(bin_folder, self._data.parent)
        exists = (self._data / "PG_VERSION").exists()
        self._passwords = load_passwords(self._state / "roles.json", cluster_exists=exists)
        if not exists:
            await self._initdb(bin_folder, who)
        await wait_for_predecessor("PostgreSQL", "-D", str(self._data))
        self._forget_reused_pid()
        await refuse_foreign("postgres", self.port)
        self._child = self._spawn(bin_folder, who)
        await self._wait_until_ready(self._child, time.monotonic() + timeout_s)

    async def _initdb(self, bin_folder: Path, who: Identity | None) -> None:
        fresh, secret = self._data.with_name("data.new"), self._data.with_name("password")
        shutil.rmtree(fresh, ignore_errors=True)
        secret.unlink(missing_ok=True)
        fresh.mkdir(mode=0o700)
        secret.touch(mode=0o600)
        if who is not None:
            os.chown(fresh, who.uid, who.gid)
            os.chown(secret, who.uid, who.gid)
        secret.write_text(self._passwords[SUPERUSER])
        sync = () if self._durable else ("--no-sync",)
        child = spawn(
            "initdb",
            [bin_folder / "initdb", "-D", fresh, "--pwfile", secret, *_INITDB_OPTIONS, *sync],
            log_path=self._log.with_name("initdb.log"),
            identity=who,
            death_signal=signal.SIGKILL,
        )
        try:
            if not await child.wait(_INITDB_TIMEOUT_S) or child.popen.returncode != 0:
                raise DevstackError(f"initdb failed in {fresh}: {child.tail()}")
        finally:
            await child.stop(signal.SIGKILL)
            secret.unlink()
        os.replace(fresh, self._data)

    def _spawn(self, bin_folder: Path, who: Identity | None) -> Child:
        settings = {**_SETTINGS, "port": str(self.port)}
        if not self._durable:
            settings |= {"fsync": "off", "full_page_writes": "off"}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return spawn(
            "PostgreSQL",
            [bin_folder / "postgres", "-D", self._data, *options],
            log_path=self._log,
            identity=who,
            death_signal=signal.SIGINT,
        )  # SIGINT asks for a fast, clean shutdown

    async def _wait_until_ready(self, child: Child, end: float) -> None:
        while True:
            try:
                async with self._superuser() as connection:
                    if await connection.fetchval("SHOW data_directory") != str(self._data):
                        raise taken("postgres", self.port, "another PostgreSQL")
                    await ensure_roles(connection, self._passwords)
                    return
            except (OSError, asyncpg.PostgresError) as error:
                if isinstance(error, asyncpg.InvalidPasswordError) and child.running():
                    await self.stop()
                    raise DevstackError(
                        f"The passwords in {self._state / 'roles.json'} do not "
                        f"open the database in {self._data}: restore the file, or "
                        f"delete {self._state} to start empty."
                    ) from error
                if not child.running() or time.monotonic() > end:
                    await self.stop()
                    raise DevstackError(
                        "PostgreSQL did not become ready; the end of its log "
                        f"{self._log}:\n{child.tail()}"
                    ) from error
                await asyncio.sleep(_READY_POLL_S)

    @asynccontextmanager
    async def _superuser(self) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        connection = await asyncpg.connect(self.dsn(SUPERUSER, "postgres"), timeout=5)
        try:
            yield connection
        finally:
            await connection.close()

    def _forget_reused_pid(self) -> None:
        # After a reboot the process id in the file may belong to some other program, and
        # PostgreSQL would take that for a running server. A dead id it handles itself.
        pid_file = self._data / "postmaster.pid"
        if pid_file.exists():
            pid = pid_file.read_text().partition("\n")[0].strip()
            if pid.isdecimal() and psutil.pid_exists(int(pid)):
                pid_file.unlink()

    async def create_database(self, name: str, template: str | None = None) -> None:
        """Create the database `name`, owned by the migrator, as a copy of `template` if given."""
        source = "" if template is None else f' TEMPLATE "{template}"'
        async with self._superuser() as connection:
            await connection.execute(f'CREATE DATABASE "{name}" OWNER {MIGRATOR}{source}')

    async def drop_database(self, name: str) -> None:
        """Drop the database `name` and cut its connections; silent when it does not exist."""
        async with self._superuser() as connection:
            await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    async def stop(self, sig: int = signal.SIGINT, timeout_s: float = 30.0) -> None:
        """Stop fast and cleanly (or with `sig`); by force after `timeout_s` seconds."""
        if self._child is not None:
            await self._child.stop(sig, timeout_s)
            self._child = None

    async def crash(self) -> None:
        """Stop without a checkpoint, as a power cut of the process would; recovery comes next."""
        await self.stop(signal.SIGQUIT)

    async def restart(self) -> None:
        """Stop fast and start again on the same data."""
        await self.stop()
        await self.start()
