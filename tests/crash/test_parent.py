"""kill -9 of `tenure up` in the middle of its work: no process is left, and the next start recovers."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from contracts.topics import SERVICES
from devstack.mailbox import Mailbox
from devstack.ports import Ports, setting
from ops.connection import Stack, embedded
from ops.supervisor import free_ports
from tests.crash.conftest import Report
from tests.support.eventually import eventually
from tests.support.judge import judge
from tests.support.people import mixed, people
from tests.support.sight import PATIENCE_S, Sight

pytestmark = [pytest.mark.xdist_group("crash"), pytest.mark.timeout(300)]
_PROJECT = Path(__file__).resolve().parents[2]


class Up:
    """`tenure up` as a process, on a state folder and ports of its own."""

    def __init__(self, folder: Path) -> None:
        """Nothing runs yet."""
        self.folder = folder
        self.ports = Ports.free()
        kept = {k: v for k, v in os.environ.items() if not k.endswith("_URL") and "KAFKA" not in k}
        given = {setting(name): str(port) for name, port in vars(self.ports).items()}
        own = free_ports(*SERVICES, "watch")
        given |= {f"{name.upper()}_HTTP_PORT": str(port) for name, port in own.items()}
        given |= {"TENURE_STATE_DIR": str(folder), "PYTHONPATH": str(_PROJECT)}
        given |= {"KAFKA_PARTITIONS": "3", "CONSUMER_BATCH_MAX": "10"}
        self._environment = {**kept, **given}
        self._messages = folder / "messages.txt"
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> Sight:
        """Start and wait until all of it is ready."""
        with self._messages.open("w") as messages:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "ops", "up", "--no-simulator",
                stdout=messages, stderr=messages, env=self._environment,
            )  # fmt: skip
        await eventually(self._is_ready, PATIENCE_S, "tenure up is ready")
        mailbox = Mailbox(self.folder, self.ports.smtp, self.ports.mailbox)
        return Sight(Stack(embedded(self.folder)), mailbox)

    def _is_ready(self) -> bool:
        text = self._messages.read_text()
        if self.process is None or self.process.returncode is not None:
            raise RuntimeError(f"tenure up ended:\n{text}")
        return "Ready in" in text

    def family(self) -> set[psutil.Process]:
        """The process and all below it, and whoever else works on the folder."""
        assert self.process is not None
        found = {psutil.Process(self.process.pid)}
        return found | set(psutil.Process(self.process.pid).children(recursive=True)) | self.left()

    def left(self) -> set[psutil.Process]:
        """Processes that name the folder in their arguments or variables."""
        found = set()
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                words = [*process.cmdline(), process.environ().get("TENURE_STATE_DIR", "")]
                ended = process.status() == psutil.STATUS_ZOMBIE
                if not ended and any(str(self.folder) in word for word in words):
                    found.add(process)
        return found


@pytest_asyncio.fixture
async def up(tmp_path: Path) -> AsyncIterator[Up]:
    """Whatever a failed test leaves is ended."""
    made = Up(tmp_path)
    yield made
    for process in made.left():
        with suppress(psutil.Error):
            process.kill()
    if made.process is not None:
        await made.process.wait()


async def test_a_killed_parent_leaves_nothing_and_its_data_is_taken_up(
    up: Up, report: Report
) -> None:
    customers = people("U", 40, datetime.now(UTC) - timedelta(hours=1))
    sight = await up.start()
    # No mail may be on the wire at the kill: an unknown end would need a real minute.
    await sight.mailbox.set_faults([{"stage": "connect", "code": 421}])
    await sight.publish(mixed(customers))
    await eventually(
        lambda: sight.count("select count(*) from licensing.inbox"), PATIENCE_S, "work is under way"
    )
    family = up.family()
    assert len(family) >= 7, family  # itself, Kafka, PostgreSQL, mailbox, three services
    assert up.process is not None
    up.process.send_signal(signal.SIGKILL)
    assert await up.process.wait() == -signal.SIGKILL
    await eventually(lambda: not up.left(), 30, "no process is left")
    assert not [process for process in family if _alive(process)]

    killed_at = time.monotonic()
    sight = await up.start()
    await sight.quiet()
    seconds = time.monotonic() - killed_at
    verdict = await judge(sight, customers)
    assert not verdict.resent
    report("parent of `tenure up`", "all", "", verdict, seconds)
    up.process.send_signal(signal.SIGINT)
    assert await up.process.wait() == 130
    assert not up.left()


def _alive(process: psutil.Process) -> bool:
    try:  # a container's first process may not reap orphans: what has ended counts as gone
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
