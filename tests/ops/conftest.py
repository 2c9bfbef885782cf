"""One stack on the virtual clock for all tests of the command, with its three services."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio

from devstack.ports import Ports
from devstack.stack import EmbeddedStack
from ops.clock import VirtualClock
from ops.connection import Stack
from ops.supervisor import Services, free_ports
from ops.up import announce, prepare

PROJECT = Path(__file__).resolve().parents[2]
START = datetime(2025, 1, 1, 9, tzinfo=UTC)
Tenure = Callable[..., subprocess.CompletedProcess[str]]


def run_tenure(
    *arguments: str, state_dir: Path, stdin: str | None = None, **more: str
) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, as operators run it; `more` are variables."""
    kept = {k: v for k, v in os.environ.items() if not k.endswith("_URL") and "KAFKA" not in k}
    return subprocess.run(
        [sys.executable, "-m", "ops", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=state_dir,
        env={
            **kept,
            "PYTHONPATH": str(PROJECT),
            "TENURE_STATE_DIR": str(state_dir),
            "COLUMNS": "200",
            **more,
        },
        check=False,
    )


@pytest.fixture
def no_stack(tmp_path: Path) -> Tenure:
    """The command where no stack runs."""
    return lambda *arguments, **more: run_tenure(*arguments, state_dir=tmp_path, **more)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def services(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Services]:
    """The running services; the command finds them by their `state_dir`."""
    folder = tmp_path_factory.mktemp("ops")
    async with EmbeddedStack(folder, Ports.free(), durable=False) as embedded:
        variables = {**embedded.environment(), "CLOCK": "virtual", "KAFKA_PARTITIONS": "3"}
        await prepare(variables, simulator=False)
        async with VirtualClock(Stack(variables), exclusive=False) as clock:
            await clock.ensure_set(START)
        running = Services(variables, state_dir=folder, ports=free_ports())
        announce(folder, running.variables)
        async with running:
            yield running


@pytest.fixture
def stack(services: Services) -> Stack:
    """Where the tests' stack is."""
    return Stack(services.variables)


@pytest.fixture
def tenure(services: Services) -> Tenure:
    """The command beside the tests' stack."""
    return lambda *arguments, **more: run_tenure(
        *arguments, state_dir=services.state_dir, **more
    )
