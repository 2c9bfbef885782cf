"""No alert in fourteen months of normal life on the real services, and what the watch shows of it."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio

from devstack import ports
from devstack.lives import START as FIRST
from devstack.lives import lives
from devstack.payments import add_customers
from ops.clock import VirtualClock
from ops.demo_acts import DIGEST_KEY, carry_out
from ops.supervisor import Services, free_ports
from ops.up import SIMULATOR, WATCH, prepare
from tests.support.eventually import eventually
from tests.support.life import Life
from tests.support.metrics import counted
from tests.support.worker_stack import START, WorkerStack
from tests.watch.town import Told, Town

pytestmark = [pytest.mark.xdist_group("watch"), pytest.mark.timeout(300)]

#: Far below what is usual, so that much would be found if business time counted.
_BOUNDS = {
    "WATCH_ENTITLED_WITHIN": "5",
    "WATCH_CONFIRMED_WITHIN": "5",
    "WATCH_SETTLE": "3",
    "WATCH_LAG": "10",
}


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


async def test_fourteen_months_raise_nothing(town: tuple[WorkerStack, Services]) -> None:
    made, running = town
    people = lives(24)
    async with made.connect("simulator") as connection:
        await add_customers(connection, [life.customer for life in people])
    async with Town.at(made.ops, running) as watched:
        await watched.ready()
        by_reference = {life.customer.reference: life for life in people}
        acts = sorted((act for life in people for act in life.acts), key=lambda act: act.at)
        async with VirtualClock(made.ops) as clock:
            for act in acts:
                await clock.advance(act.at, timeout_s=60)
                await carry_out(made.ops, act, by_reference[act.reference].customer)
            await clock.advance(FIRST + timedelta(days=425), timeout_s=60)
        # What is planted last is found last: all the rest has been judged by then.
        told = Told(Life().subscribe())
        await watched.tell(told, lambda message: not message.type.startswith("licensing"))
        await watched.wait_for(told.id, "+PAID_NOT_ENTITLED")
        alerts = [r for r in watched.recording.records if str(told.id).encode() not in r.value]
        assert [r.value for r in alerts] == []
        await _shows(running.url("watch"), len(people))


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
