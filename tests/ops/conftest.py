"""The command, and services beside which it is tried: topics and database of their own."""

import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from ops.__main__ import main
from ops.clock import VirtualClock
from ops.connection import Stack
from ops.supervisor import Services, free_ports
from ops.terminal import run
from ops.up import prepare
from ops.work import read_now
from tests.ops.orders import paid_order
from tests.ops.running import Buy, Tenure, run_tenure
from tests.support.worker_stack import START, WorkerStack


@pytest.fixture
def no_stack(tmp_path: Path) -> Tenure:
    """The command where no stack runs."""
    return lambda *arguments, **more: run_tenure(*arguments, state_dir=tmp_path, **more)


@pytest_asyncio.fixture(scope="package")
async def office(stack: WorkerStack) -> AsyncIterator[Services]:
    """Services with topics and a database of their own; the command finds them by `state_dir`."""
    made = stack.with_prefix(f"{stack.prefix}office-", f"{stack.name}_office")
    folder = stack.folder / "office"
    folder.mkdir()
    await made.create_database(made.name, "template1")
    await prepare(made.variables, simulator=False)
    async with VirtualClock(made.ops, exclusive=False) as clock:
        await clock.ensure_set(START)
    async with Services(made.variables, state_dir=folder, ports=free_ports()) as running:
        yield running
    await made.drop_database(made.name)


@pytest.fixture
def where(office: Services) -> Stack:
    """Where the office's stack is."""
    return Stack(office.variables)


@pytest.fixture
def tenure(
    office: Services, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Tenure:
    """The command beside the office's stack, in this process."""
    for name in os.environ:
        if name.endswith("_URL") or "KAFKA" in name or name == "CLOCK":
            monkeypatch.delenv(name)
    for name, value in office.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("COLUMNS", "300")

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        capsys.readouterr()
        code: object = 0
        try:
            main(arguments)
        except SystemExit as ended:
            code = ended.code or 0
        written = capsys.readouterr()
        assert isinstance(code, int)
        return subprocess.CompletedProcess(arguments, code, written.out, written.err)

    return call


@pytest.fixture
def buy(tenure: Tenure, where: Stack, tmp_path: Path) -> Buy:
    """Publish a paid order of a reference now, and wait until all have caught up; its order id."""

    def publish(reference: str) -> str:
        async def now() -> str:
            async with where.database() as connection:
                return paid_order(reference, await read_now(connection, virtual=True))

        file = tmp_path / "order.json"
        file.write_text(run(now()))
        done = tenure("publish", str(file))
        assert done.returncode == 0, done.stderr
        assert "payments.events partition" in done.stdout
        assert tenure("clock", "advance", "1m").returncode == 0
        return f"O-{reference}"

    return publish
