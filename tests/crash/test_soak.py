"""`make soak`: two workers of each service under load, and at random something is killed or stopped."""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from random import Random

import pytest

from contracts.topics import SERVICES
from ops.supervisor import Services
from tests.crash.conftest import Report
from tests.crash.scene import Scene
from tests.support.eventually import eventually
from tests.support.judge import judge
from tests.support.load import under_load
from tests.support.sight import PATIENCE_S

pytestmark = [
    pytest.mark.xdist_group("crash"),
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not os.environ.get("SOAK"), reason="runs for minutes: `make soak`"),
]

_MINUTES = float(os.environ.get("SOAK_MINUTES", "5"))
_SEED = int(os.environ.get("SOAK_SEED", "1"))
#: Longer than the session timeout, so that a stopped worker comes back as a zombie.
_STOPPED_S = 4.0


class Chaos:
    """What may happen, by chance."""

    def __init__(self, scene: Scene, chance: Random) -> None:
        """Nothing happened yet."""
        self._scene = scene
        self._chance = chance
        self._sets = (scene.services, scene.more_services())
        self.happened: Counter[str] = Counter()

    async def start(self) -> None:
        """Two workers of each service."""
        await asyncio.gather(*(self._all_run(services) for services in self._sets))

    async def strike(self) -> None:
        """Let one thing happen, and wait until all is well again."""
        what = self._chance.choice(
            ("killed",) * 6 + ("stopped", "restarted", "mailbox", "broker", "database")
        )
        self.happened[what] += 1
        await getattr(self, f"_{what}")()
        await asyncio.gather(*(self._all_run(services) for services in self._sets))

    async def _all_run(self, services: Services) -> None:
        for service in SERVICES:
            services.spawn(service)
        await services.wait_ready(timeout_s=PATIENCE_S)

    def _one(self) -> tuple[Services, str]:
        return self._chance.choice(self._sets), self._chance.choice(SERVICES)

    async def _killed(self) -> None:
        services, service = self._one()
        await services.kill(service)

    async def _restarted(self) -> None:
        services, service = self._one()
        await services.stop(service)
        assert services.exit_code(service) == 0, "a graceful stop"

    async def _stopped(self) -> None:
        services, service = self._one()
        pid = services.pid(service)
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(_STOPPED_S)
        os.kill(pid, signal.SIGCONT)

    async def _mailbox(self) -> None:
        await self._scene.mailbox.stop(signal.SIGKILL)
        await self._scene.mailbox.start()

    async def _broker(self) -> None:
        await self._scene.embedded.kafka.kill()
        await self._scene.embedded.kafka.start()

    async def _database(self) -> None:
        await self._scene.embedded.postgres.crash()
        await self._scene.embedded.postgres.start()


async def test_random_kills_for_minutes(scene: Scene, report: Report) -> None:
    chaos = Chaos(scene, Random(_SEED))
    await chaos.start()
    end = time.monotonic() + _MINUTES * 60
    async with under_load(scene, pause_s=2.0) as load:
        while time.monotonic() < end:
            await chaos.strike()
            came = len(load.customers)
            await eventually(
                partial(_more, load.customers, came), PATIENCE_S, "customers keep coming"
            )
    scene.note_kill()
    seconds = await scene.settle()
    verdict = await judge(scene, load.customers)
    struck = ", ".join(f"{count} {what}" for what, count in sorted(chaos.happened.items()))
    report(f"random, seed {_SEED}", "all", "", f"{struck}: {verdict}", seconds)


def _more(customers: Sequence[object], before: int) -> bool:
    return len(customers) > before
