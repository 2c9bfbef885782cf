"""The whole local stack: Kafka, PostgreSQL and mailbox, started and stopped as one."""

import asyncio
import contextlib
import json
import os
from collections.abc import Collection
from pathlib import Path
from types import TracebackType
from typing import Self

from devstack.errors import DevstackError
from devstack.kafka import Kafka
from devstack.kafka_jars import Say
from devstack.mailbox import Mailbox
from devstack.ports import HOST, Ports
from devstack.postgres import Postgres
from devstack.postgres_roles import write_private
from devstack.state_lock import StateLock

_WATCH_POLL_S = 0.5
PARTS = frozenset({"kafka", "postgres", "mailbox"})
_DATABASE_VARIABLES = {
    "BILLING_DATABASE_URL": "tenure_billing",
    "LICENSING_DATABASE_URL": "tenure_licensing",
    "NOTIFICATIONS_DATABASE_URL": "tenure_notifications",
    "OPS_DATABASE_URL": "tenure_ops",
    "SIMULATOR_DATABASE_URL": "tenure_simulator",
    "MIGRATOR_DATABASE_URL": "tenure_migrator",
    "READER_DATABASE_URL": "tenure_reader",
}


def default_state_dir() -> Path:
    """`TENURE_STATE_DIR`, default `.data` in the current folder."""
    return Path(os.environ.get("TENURE_STATE_DIR") or ".data")


def running_environment(state_dir: Path) -> dict[str, str] | None:
    """The variables of the stack that runs on `state_dir`, or None when none does."""
    lock = StateLock(state_dir.resolve())
    path = state_dir / "environment.json"
    if not path.is_file() or not lock.held_by_another():
        return None  # a file without a holder of the lock was left by a killed stack
    variables: dict[str, str] = json.loads(path.read_text())
    return variables


class EmbeddedStack:
    """Kafka, PostgreSQL and mailbox (or the chosen `parts`) on one state folder.

    `async with EmbeddedStack(...) as stack:` starts it and stops it. All of it ends with our
    process, however that ends.
    """

    def __init__(
        self,
        state_dir: Path | None = None,
        ports: Ports | None = None,
        *,
        say: Say = lambda sentence: None,
        parts: Collection[str] = PARTS,
        durable: bool = True,
        session_timeout_min_ms: int = 6000,
    ) -> None:
        """Nothing is started yet; `durable` and `session_timeout_min_ms` are as in the parts."""
        unknown = set(parts) - PARTS
        if unknown:
            raise ValueError(f"unknown parts {sorted(unknown)}: choose from {sorted(PARTS)}")
        self.state_dir = (state_dir or default_state_dir()).resolve()
        self.ports = ports or Ports.from_environment()
        self.parts = frozenset(parts)
        self.kafka = Kafka(
            self.state_dir,
            self.ports.kafka,
            self.ports.controller,
            session_timeout_min_ms=session_timeout_min_ms,
            say=say,
        )
        self.postgres = Postgres(self.state_dir, self.ports.postgres, durable=durable)
        self.mailbox = Mailbox(self.state_dir, self.ports.smtp, self.ports.mailbox)
        self._lock = StateLock(self.state_dir)
        self._environment_file = self.state_dir / "environment.json"

    def _chosen(self) -> list[Kafka | Postgres | Mailbox]:
        members: dict[str, Kafka | Postgres | Mailbox] = {
            "kafka": self.kafka,
            "postgres": self.postgres,
            "mailbox": self.mailbox,
        }
        return [member for name, member in members.items() if name in self.parts]

    async def start(self) -> None:
        """Start all parts at once; when one fails the others are stopped.

        Raises DevstackError naming the first thing that is wrong.
        """
        self._lock.acquire()
        starts = [asyncio.ensure_future(part.start()) for part in self._chosen()]
        try:
            await asyncio.gather(*starts)
            write_private(self._environment_file, json.dumps(self.environment(), indent=1) + "\n")
        except BaseException:
            for start in starts:
                start.cancel()
            await asyncio.gather(*starts, return_exceptions=True)
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop all parts at once and give the folder back; does nothing when not started."""
        if not self._lock.held:
            return  # the folder's files may be another stack's
        with contextlib.suppress(FileNotFoundError):
            self._environment_file.unlink()
        try:
            await asyncio.gather(*(part.stop() for part in self._chosen()))
        finally:
            self._lock.release()

    async def watch(self) -> None:
        """Return never; raise DevstackError as soon as a running part has ended by itself."""
        while True:
            for part in self._chosen():
                if part.pid is None:
                    raise DevstackError(
                        f"{type(part).__name__} ended by itself: see the logs in "
                        f"{self.state_dir / 'logs'} and start again."
                    )
            await asyncio.sleep(_WATCH_POLL_S)

    def environment(self) -> dict[str, str]:
        """The environment variables that point our services at this stack's parts."""
        variables: dict[str, str] = {}
        if "kafka" in self.parts:
            variables["KAFKA_BOOTSTRAP_SERVERS"] = self.kafka.bootstrap_servers
        if "postgres" in self.parts:
            variables |= {
                variable: self.postgres.dsn(role) for variable, role in _DATABASE_VARIABLES.items()
            }
        if "mailbox" in self.parts:
            variables["SMTP_URL"] = f"smtp://{HOST}:{self.ports.smtp}"
            variables["MAILBOX_URL"] = self.mailbox.url
        return variables

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        await self.stop()
