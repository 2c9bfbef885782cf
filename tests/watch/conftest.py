"""A watch as a process of its own, over topics of its own."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import pytest
import pytest_asyncio

from chassis import kafka
from devstack import ports
from ops.connection import Stack
from ops.supervisor import Services
from tests.support.end_of_run import SECONDS
from tests.support.worker_stack import WorkerStack
from tests.watch.town import Town

#: So that an alert is a matter of a second.
SOON = {
    "WATCH_ENTITLED_WITHIN": "1",
    "WATCH_CONFIRMED_WITHIN": "1",
    "WATCH_SETTLE": "1",
    "WATCH_LAG": "3",
}
Report: TypeAlias = Callable[[str, float, float], None]


@asynccontextmanager
async def watched(variables: Mapping[str, str], folder: Path) -> AsyncIterator[Town]:
    """Topics and a watch over them; the services do not run, so that only tests tell something."""
    stack = Stack(variables)
    await kafka.apply_topics(stack.kafka)
    (port,) = ports.free_ports(1)
    environment = {**SOON, **variables, "WATCH_HTTP_PORT": str(port)}
    running = Services(environment, state_dir=folder, names=(), companions={"watch": "ops.watch"})
    async with running, Town.at(stack, running) as town:
        await town.ready()
        yield town


@pytest_asyncio.fixture(scope="module")
async def town(stack: WorkerStack) -> AsyncIterator[Town]:
    """One on the run's stack."""
    made = stack.with_prefix(f"{stack.prefix}watch-", stack.name)
    async with watched(made.variables, stack.folder / "watch") as town:
        yield town


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Report:
    """Keep one line for the table at the end: code, seconds until it was raised and until resolved."""

    def keep(code: str, raised_s: float, resolved_s: float) -> None:
        bound_s = SOON["WATCH_LAG"] if code == "SERVICE_LAGS" else "1"
        line = f"{code:<26} {bound_s:>5} s {raised_s:>7.1f} s {resolved_s:>7.1f} s"
        request.node.user_properties.append((SECONDS, line))

    return keep
