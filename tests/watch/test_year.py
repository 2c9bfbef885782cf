"""No alert while a year of orders and renewals races by, how the watch keeps up, and kill -9 of it.

`YEAR=10000 python -m pytest tests/watch/test_year.py` lets so many customers order through one year,
each of whom then lives on for fourteen months; then six weeks pass in which nobody is at work. In the
ordinary run there are eighteen, one of each kind at least, the clock visits every deadline, and the
bounds are short. Of many, the clock stops once a day and the bounds are the usual ones but for
WATCH_LAG: how far a service may be behind is a matter of the machine. The figures are in a table at
the end of the run.
"""

import os
import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any, TypeAlias

import psutil
import pytest
import pytest_asyncio

from devstack import ports
from devstack.lives import START as FIRST
from devstack.lives import lives
from devstack.payments import add_customers
from ops.clock import VirtualClock
from ops.demo_acts import DIGEST_KEY
from ops.services_http import get
from ops.supervisor import Services, free_ports
from ops.up import SIMULATOR, WATCH, prepare
from tests.support.end_of_run import YEAR
from tests.support.eventually import eventually
from tests.support.metrics import counted
from tests.support.worker_stack import START, WorkerStack
from tests.watch.living import live, sleep_through
from tests.watch.town import Town, on, paid

_COUNT = int(os.environ.get("YEAR") or (2000 if os.environ.get("SOAK") else 18))
_MANY = _COUNT > 100
pytestmark = [
    pytest.mark.xdist_group("watch"),
    pytest.mark.timeout(4 * 3600 if _MANY else 300),
]
_STEP = timedelta(days=1) if _MANY else None
#: Far below what is usual, so that much would be found if business time counted.
_SHORT = {
    "WATCH_ENTITLED_WITHIN": "5",
    "WATCH_CONFIRMED_WITHIN": "5",
    "WATCH_SETTLE": "3",
    "WATCH_LAG": "10",
}
_BOUNDS = {"WATCH_LAG": "300"} if _MANY else _SHORT
_OVER = FIRST + timedelta(days=min(_COUNT, 365) + 425)
_ASLEEP = timedelta(days=45)
_PATIENCE_S = 1200.0 if _MANY else 60.0
Figure: TypeAlias = Callable[[str, object], None]


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Figure:
    """Keep one figure for the table at the end."""

    def keep(what: str, value: object) -> None:
        request.node.user_properties.append((YEAR, f"{what:<50} {value:>12}"))

    return keep


@pytest_asyncio.fixture
async def town(stack: WorkerStack) -> AsyncIterator[tuple[WorkerStack, Services]]:
    """Services, payment system and watch with topics and a database of their own."""
    made = stack.with_prefix(f"{stack.prefix}lived-", f"{stack.name}_lived")
    folder = stack.folder / "lived"
    folder.mkdir()
    await made.create_database(made.name, "template1")
    await prepare(made.variables, simulator=True)
    async with VirtualClock(made.ops, exclusive=False) as clock:
        await clock.ensure_set(START)
    (port,) = ports.free_ports(1)
    more = {**_BOUNDS, "WATCH_HTTP_PORT": str(port), "IDENTITY_DIGEST_KEY": DIGEST_KEY}
    running = Services(
        {**made.variables, **more},
        state_dir=folder,
        ports=free_ports(),
        companions={**SIMULATOR, **WATCH},
    )
    async with running:
        yield made, running
    await made.drop_database(made.name)


async def test_a_year_raises_nothing_and_neither_does_a_killed_watch(
    town: tuple[WorkerStack, Services], figure: Figure
) -> None:
    made, running = town
    url = running.url("watch")
    planted: set[bytes] = set()
    people = lives(_COUNT, range(365))
    async with made.connect("simulator") as connection:
        await add_customers(connection, [life.customer for life in people])
    async with Town.at(made.ops, running) as watched:
        await watched.ready()
        began = time.monotonic()
        stops, commands = await live(made.ops, people, _OVER, _STEP)
        await sleep_through(made.ops, _OVER + _ASLEEP)
        lived_s = time.monotonic() - began
        read = counted(url, "tenure_watch_records_total")
        memory = _memory(running)
        found_s = await _find_what_is_planted(watched, planted)
        assert _others(watched, planted) == []
        await _shows(url, len(people))
        killed_at = time.monotonic()
        await running.kill("watch")
        running.spawn("watch")
        began_reading = await _reads(watched)
        await watched.ready(_PATIENCE_S)
        back = time.monotonic()
        read_again, processor_s = counted(url, "tenure_watch_records_total"), _processor_s(running)
        await _find_what_is_planted(watched, planted)
        assert _others(watched, planted) == []
    figure("subscriptions", len(people))
    figure("commands", commands)
    figure("stops of the clock", stops)
    figure("events read", int(read))
    figure("alerts raised", 0)
    figure("seconds for all of it", f"{lived_s:.1f}")
    figure("events/s, all services, broker and watch", f"{read / lived_s:.0f}")
    figure("memory of the watch, MiB", f"{memory:.0f}")
    figure("seconds to the alert of what was planted", f"{found_s:.1f}")
    figure("after kill -9: seconds until it judges again", f"{back - killed_at:.1f}")
    figure("after kill -9: of these to read everything again", f"{back - began_reading:.1f}")
    figure("after kill -9: events/s", f"{read_again / (back - began_reading):.0f}")
    figure("after kill -9: seconds of one processor", f"{processor_s:.1f}")
    figure("after kill -9: memory, MiB", f"{_memory(running):.0f}")
    figure("after kill -9: alerts told again", 0)


async def _find_what_is_planted(watched: Town, planted: set[bytes]) -> float:
    """Plant what is found last of all, so that all the rest has been judged then; its seconds."""
    told = paid()
    planted.add(str(told.id).encode())
    await watched.tell(told, on("billing"))
    wanted = ("+PAID_NOT_ENTITLED", "+PAID_NOT_CONFIRMED")
    await watched.wait_for(told.id, *wanted, within_s=180)
    return watched.seconds_to(told.id, wanted[0], told.told_at)


def _others(watched: Town, planted: set[bytes]) -> list[Any]:
    return [r.value for r in watched.recording.records if r.key not in planted]


def _memory(running: Services) -> float:
    return float(psutil.Process(running.pid("watch")).memory_info().rss) / 2**20


def _processor_s(running: Services) -> float:
    used = psutil.Process(running.pid("watch")).cpu_times()
    return float(used.user + used.system)


async def _reads(watched: Town) -> float:
    """Wait until a watch that was just started has found Kafka; when that was."""

    async def reads() -> bool:
        watched.running.refuse_dead("watch")
        status, said = await get(f"{watched.running.url('watch')}/readyz")
        return status == 200 or (status == 503 and "reading" in str(said))

    await eventually(reads, 60)
    return time.monotonic()


async def _shows(url: str, count: int) -> None:
    async def known() -> bool:
        statuses = ("active", "grace", "hold", "paused", "ended")
        sizes = [counted(url, "tenure_watch_subscriptions", status=s) for s in statuses]
        assert sum(sizes) == count
        return sizes[0] > 0 and sizes[-1] > 0

    await eventually(known, 30)
    for stage in ("payment_to_entitlement", "payment_to_mail"):
        assert counted(url, "tenure_watch_latency_seconds_count", stage=stage) >= count
    assert counted(url, "tenure_watch_records_total", outcome="not_json") == 0

    async def one_stands() -> bool:
        return counted(url, "tenure_watch_alerts_open", code="PAID_NOT_ENTITLED") == 1

    await eventually(one_stands, 10)
