"""`tenure up` as a process: it is one per folder, ends on Ctrl-C, and leaves nothing behind."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path

import psutil
import pytest

from contracts.topics import SERVICES
from devstack.ports import Ports, setting
from ops.connection import find_stack
from ops.errors import Unavailable, WrongSetting
from ops.supervisor import Services, free_ports
from tests.ops.running import PROJECT, run_tenure


@pytest.fixture
def variables() -> dict[str, str]:
    """Free ports for everything that `up` starts."""
    ports = Ports.free()
    chosen = {setting(name): str(port) for name, port in vars(ports).items()}
    own = free_ports(*SERVICES, "watch")
    chosen |= {f"{name.upper()}_HTTP_PORT": str(port) for name, port in own.items()}
    assert len(set(astuple(ports))) == 5
    return {**chosen, "KAFKA_PARTITIONS": "3"}


class Up:
    """A running `tenure up`."""

    def __init__(self, folder: Path, variables: dict[str, str]) -> None:
        kept = {k: v for k, v in os.environ.items() if not k.endswith("_URL") and "KAFKA" not in k}
        environment = {**kept, **variables}
        environment |= {"PYTHONPATH": str(PROJECT), "TENURE_STATE_DIR": str(folder)}
        self.messages = folder / "up.messages"
        with self.messages.open("w") as messages:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ops", "up"],
                stdout=messages,
                stderr=messages,
                env=environment,
            )

    def wait_ready(self) -> None:
        end = time.monotonic() + 90
        while "Ready in" not in self.messages.read_text():
            assert self.process.poll() is None, self.messages.read_text()
            assert time.monotonic() < end, self.messages.read_text()
            time.sleep(0.1)

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A state folder; whatever a failed test left in it is ended."""
    yield tmp_path
    for process in psutil.Process().children(recursive=True):
        if process.name() and str(tmp_path) in process.environ().get("TENURE_STATE_DIR", ""):
            process.kill()


@pytest.mark.xdist_group("up")
@pytest.mark.timeout(240)
def test_up_runs_once_and_leaves_nothing_behind(folder: Path, variables: dict[str, str]) -> None:
    first = Up(folder, variables)
    first.wait_ready()
    second = run_tenure("up", state_dir=folder, **variables)
    assert (second.returncode, second.stdout) == (78, "")
    assert "in use by another running stack" in second.stderr
    found = find_stack(folder)
    assert found.variables["KAFKA_BOOTSTRAP_SERVERS"].endswith(variables[setting("kafka")])
    family = first.family()
    assert (
        len(family) >= 8
    )  # Kafka, PostgreSQL with helpers, mailbox, three services, simulator, watch
    first.process.kill()
    first.process.wait()
    _, alive = psutil.wait_procs(family, timeout=20)
    assert alive == []
    assert run_tenure("status", state_dir=folder).returncode == 69

    again = Up(folder, variables)
    again.wait_ready()
    assert run_tenure("status", "--check", state_dir=folder).returncode == 0
    family = again.family()
    again.process.send_signal(signal.SIGINT)
    assert again.process.wait(40) == 130
    assert "Traceback" not in again.messages.read_text()
    _, alive = psutil.wait_procs(family, timeout=5)
    assert alive == []


@pytest.mark.xdist_group("ops")
@pytest.mark.timeout(120)
async def test_a_killed_service_is_started_again(office: Services) -> None:
    watch = asyncio.create_task(office.watch())
    before = office.pid("licensing")
    assert before is not None
    os.kill(before, signal.SIGKILL)
    try:
        end = time.monotonic() + 30
        while True:
            if office.pid("licensing") not in (None, before) or time.monotonic() > end:
                break
            await asyncio.sleep(0.05)
        await office.wait_ready("licensing", timeout_s=60)
        assert office.pid("licensing") != before
    finally:
        watch.cancel()


@pytest.mark.xdist_group("ops")
@pytest.mark.timeout(60)
async def test_a_wrong_setting_is_not_tried_again(office: Services, tmp_path: Path) -> None:
    wrong = {**office.variables, "LOG_LEVEL": "loud"}
    one = Services(wrong, state_dir=tmp_path, ports=free_ports(), names=("licensing",))
    with pytest.raises(WrongSetting, match="LOG_LEVEL"):
        async with one:
            pass
    one.spawn("licensing")
    with pytest.raises(WrongSetting, match="ended with 78"):
        await one.watch()


@pytest.mark.xdist_group("ops")
@pytest.mark.timeout(60)
async def test_a_service_sees_only_its_own_database(office: Services, tmp_path: Path) -> None:
    seen = psutil.Process(office.pid("billing")).environ()
    assert "BILLING_DATABASE_URL" in seen
    assert not {"LICENSING_DATABASE_URL", "MIGRATOR_DATABASE_URL"} & seen.keys()


@pytest.mark.xdist_group("ops")
@pytest.mark.timeout(60)
async def test_no_readiness_shows_the_end_of_the_log(office: Services, tmp_path: Path) -> None:
    away = {**office.variables, "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    one = Services(away, state_dir=tmp_path, ports=free_ports(), names=("licensing",))
    one.spawn("licensing")
    with pytest.raises(Unavailable, match="licensing is not ready after 4 s"):
        await one.wait_ready(timeout_s=4)
    await one.kill("licensing")
    assert one.exit_code("licensing") == -signal.SIGKILL
