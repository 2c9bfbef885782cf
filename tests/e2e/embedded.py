"""The system on the embedded stack: the same parts as processes of this machine."""

import asyncio
import shutil
import signal
import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import psutil

from contracts.topics import SERVICES
from devstack.ports import Ports
from devstack.stack import EmbeddedStack
from ops.clock import VirtualClock
from ops.connection import Stack
from ops.scenario.commands import DIGEST_KEY
from ops.supervisor import Services, free_ports
from ops.up import SIMULATOR, prepare
from tests.e2e.system import SESSION_TIMEOUT_MS, Ended, System
from tests.support.eventually import eventually
from tests.support.sight import PATIENCE_S

_LOGS = Path(__file__).resolve().parents[2] / ".data" / "e2e"


class EmbeddedSystem(System):
    """Kafka, PostgreSQL and mailbox of the local stack, each service a process per worker."""

    def __init__(self, starts_at: datetime | None) -> None:
        """Nothing runs yet."""
        self._folder = Path(tempfile.mkdtemp(prefix="tenure-e2e-"))
        # PostgreSQL is run by another user when we are root.
        self._folder.chmod(0o755)
        self._embedded = EmbeddedStack(self._folder, Ports.free())
        self._workers: dict[str, list[Services]] = {service: [] for service in SERVICES}
        self._made = 0
        self._chosen = {
            "CLOCK": "virtual" if starts_at else "real",
            "IDENTITY_DIGEST_KEY": DIGEST_KEY,
            "KAFKA_PARTITIONS": "3",
            "KAFKA_SESSION_TIMEOUT_MS": str(SESSION_TIMEOUT_MS),
        }
        # Passwords are made when the database is: what is not known yet is added in `up`.
        super().__init__({"MAILBOX_URL": self._embedded.mailbox.url, **self._chosen}, starts_at)

    async def up(self) -> None:
        """The clock is set before any service looks at it."""
        await self._embedded.start()
        variables = {**self._embedded.environment(), **self._chosen}
        self.stack = Stack(variables)
        await prepare(variables, simulator=True)
        if self.starts_at:
            async with VirtualClock(self.stack, exclusive=False) as clock:
                await clock.ensure_set(self.starts_at)
        self._simulator = Services(
            variables, state_dir=self._folder / "simulator", names=(), companions=SIMULATOR
        )
        await self._simulator.start()
        for service in SERVICES:
            await self.scale(service, 1)
        await self.wait_ready()

    async def down(self, *, failed: bool) -> None:
        """All processes end; the logs of a failed run go to .data/e2e/."""
        for workers in self._workers.values():
            await asyncio.gather(*(worker.stop() for worker in workers))
        if hasattr(self, "_simulator"):
            await self._simulator.stop()
        await self._embedded.stop()
        if failed:
            for log in self._folder.rglob("*.log"):
                kept = _LOGS / self._folder.name / log.relative_to(self._folder)
                kept.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(log, kept)
        shutil.rmtree(self._folder, ignore_errors=True)

    async def stop(self, part: str) -> None:
        """SIGTERM, and the wait for the end."""
        match part:
            case "kafka":
                await self._embedded.kafka.stop()
            case "postgres":
                await self._embedded.postgres.stop()
            case "mailpit":
                await self._embedded.mailbox.stop()
            case _:
                await asyncio.gather(*(worker.stop() for worker in self._workers[part]))

    async def start(self, part: str) -> None:
        """On the same folder and port."""
        match part:
            case "kafka":
                await self._embedded.kafka.start()
            case "postgres":
                await self._embedded.postgres.start()
            case "mailpit":
                await self._embedded.mailbox.start()
            case _:
                for worker in self._workers[part]:
                    worker.spawn(part)

    async def kill(self, part: str) -> None:
        """SIGKILL to the process, or to the first one of the database."""
        match part:
            case "kafka":
                await self._embedded.kafka.kill()
            case "postgres":
                await self._embedded.postgres.crash()
            case "mailpit":
                await self._embedded.mailbox.stop(signal.SIGKILL)
            case _:
                for worker in self._workers[part]:
                    await worker.kill(part)

    async def pause(self, part: str) -> None:
        """SIGSTOP to every process of the part."""
        for process in self._processes(part):
            process.suspend()

    async def unpause(self, part: str) -> None:
        """SIGCONT."""
        for process in self._processes(part):
            process.resume()

    async def scale(self, service: str, workers: int) -> None:
        """More processes, or fewer: the oldest ends first."""
        running = self._workers[service]
        while len(running) > workers:
            await running.pop(0).stop()
        while len(running) < workers:
            running.append(self._worker(service))
            running[-1].spawn(service)

    async def urls(self, service: str) -> list[str]:
        """One port per worker that runs."""
        return [w.url(service) for w in self._workers[service] if w.pid(service) is not None]

    async def try_to_run(self, service: str, extra: Mapping[str, str]) -> Ended:
        """A further process with other variables."""
        worker = self._worker(service)
        worker.spawn(service, extra)
        try:
            await eventually(
                lambda: worker.exit_code(service) is not None, PATIENCE_S, f"{service} ends"
            )
        finally:
            await worker.kill(service)
        lines = tuple(line for line in worker.log_tail(service).splitlines() if line.strip())
        return Ended(worker.exit_code(service) or 0, lines)

    def _worker(self, service: str) -> Services:
        self._made += 1
        return Services(
            self.stack.variables,
            state_dir=self._folder / f"{service}-{self._made}",
            names=(service,),
            ports=free_ports(service),
        )

    def _processes(self, part: str) -> list[psutil.Process]:
        servers = {
            "kafka": self._embedded.kafka.pid,
            "postgres": self._embedded.postgres.pid,
            "mailpit": self._embedded.mailbox.pid,
        }
        pids = [servers[part]] if part in servers else [w.pid(part) for w in self._workers[part]]
        first = [psutil.Process(pid) for pid in pids if pid is not None]
        return [*first, *(child for each in first for child in each.children(recursive=True))]
