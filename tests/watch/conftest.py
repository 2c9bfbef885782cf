"""A watch as a process of its own, over topics of its own on the run's stack."""

from collections.abc import AsyncIterator

import pytest_asyncio

from chassis import kafka
from devstack import ports
from ops.supervisor import Services
from tests.support.worker_stack import WorkerStack
from tests.watch.town import Town

#: So that an alert is a matter of a second.
SOON = {
    "WATCH_ENTITLED_WITHIN": "1",
    "WATCH_CONFIRMED_WITHIN": "1",
    "WATCH_SETTLE": "1",
    "WATCH_LAG": "3",
}


@pytest_asyncio.fixture(scope="module")
async def town(stack: WorkerStack) -> AsyncIterator[Town]:
    """Topics of our own and a watch over them; the services do not run."""
    made = stack.with_prefix(f"{stack.prefix}watch-", stack.name)
    await kafka.apply_topics(made.ops.kafka)
    (port,) = ports.free_ports(1)
    environment = {**made.variables, **SOON, "WATCH_HTTP_PORT": str(port)}
    folder = stack.folder / "watch"
    folder.mkdir(exist_ok=True)
    running = Services(environment, state_dir=folder, names=(), companions={"watch": "ops.watch"})
    async with running, Town.at(made.ops, running) as town:
        await town.ready()
        yield town
