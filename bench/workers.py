"""The processes that are measured: started alike for all peers, logged, stopped at the end."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from devstack.processes import Child, spawn

_ROOT = Path(__file__).resolve().parent.parent


class WorkerEnded(Exception):
    """A process ended by itself; the text has the end of its log."""


@dataclass(frozen=True, slots=True)
class Worker:
    """One process: `python -m <module and arguments>` with its own variables."""

    name: str
    argv: tuple[str, ...]
    variables: Mapping[str, str]


class Workers:
    """Runs processes that die with us; `async with Workers(...)` starts and stops them."""

    def __init__(self, workers: Sequence[Worker], logs: Path) -> None:
        """Nothing is started yet; logs go to `<logs>/<name>.log`."""
        self._workers = workers
        self._logs = logs
        self._children: dict[str, Child] = {}

    async def __aenter__(self) -> Self:
        """Start all; whether they work shows in what they do."""
        inherited = {k: v for k, v in os.environ.items() if not k.endswith("DATABASE_URL")}
        for worker in self._workers:
            self._children[worker.name] = spawn(
                worker.name,
                [sys.executable, "-m", *worker.argv],
                log_path=self._logs / f"{worker.name}.log",
                death_signal=signal.SIGKILL,
                env={**inherited, "PYTHONPATH": str(_ROOT), **worker.variables},
            )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop all; by force when one takes longer than a service may."""
        children = self._children.values()
        await asyncio.gather(*(child.stop(signal.SIGTERM, 30) for child in children))

    def alive(self) -> None:
        """Raise WorkerEnded when one has ended."""
        for name, child in self._children.items():
            if not child.running():
                raise WorkerEnded(
                    f"{name} ended with {child.popen.returncode}; the end of its log:\n"
                    f"{child.tail()}"
                )

    def pids(self) -> dict[str, int]:
        """The process ids by the last part of the name."""
        return {name.rpartition(".")[2]: child.pid for name, child in self._children.items()}

    def memory_mib(self) -> dict[str, float]:
        """Resident memory of each process in MiB."""
        return {
            name: round(psutil.Process(pid).memory_info().rss / 2**20, 1)
            for name, pid in self.pids().items()
        }
