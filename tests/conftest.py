"""One real Kafka, PostgreSQL and mailbox per run; per worker a database, topics and the services.

Nothing is started until the first test asks for `stack` or for what is built on it. Tests are kept
apart by random ids: a subscription, a customer, an address belongs to one test.
"""

from collections.abc import AsyncIterator, Generator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from _pytest.nodeid import NodeId
from aiokafka import AIOKafkaProducer

from chassis import kafka
from ops.clock import VirtualClock
from ops.supervisor import Services, free_ports
from tests.support.end_of_run import pytest_terminal_summary as pytest_terminal_summary
from tests.support.held_stack import HeldStack, addresses
from tests.support.worker_stack import WorkerStack, create, worker_stack

_HELD: pytest.StashKey[HeldStack] = pytest.StashKey()
_SERVICES: pytest.StashKey[Services] = pytest.StashKey()


def pytest_configure(config: pytest.Config) -> None:
    """The controller holds the stack; workers only use it."""
    if not hasattr(config, "workerinput"):
        config.stash[_HELD] = HeldStack()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker where to ask for the stack."""
    node.workerinput["stack_folder"] = str(node.config.stash[_HELD].folder)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Nothing of a run is left behind."""
    if _HELD in config.stash:
        config.stash[_HELD].close()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests of a group on one worker.

    xdist 3.8 writes the group into a field that pytest 9.2 does not read any more.
    """
    if not getattr(config.option, "loadgroup", False):
        return
    for item in items:
        group = item.get_closest_marker("xdist_group")
        if group:
            item._id = NodeId.parse(f"{item.nodeid}@{group.args[0]}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """A failed test that used the services shows the ends of their logs."""
    report: Any = yield
    services = item.config.stash.get(_SERVICES, None)
    if report.failed and services and "services" in getattr(item, "fixturenames", ()):
        for name in services.names:
            report.sections.append((f"log of {name}", services.log_tail(name)))
    return report


@pytest.fixture(scope="session")
def stack_addresses(pytestconfig: pytest.Config) -> tuple[dict[str, str], Path]:
    """The variables of the run's stack, and its folder."""
    workerinput = getattr(pytestconfig, "workerinput", None)
    folder = Path(workerinput["stack_folder"]) if workerinput else pytestconfig.stash[_HELD].folder
    return addresses(folder), folder


@pytest_asyncio.fixture(scope="session")
async def stack(
    stack_addresses: tuple[dict[str, str], Path], pytestconfig: pytest.Config
) -> WorkerStack:
    """This worker's database, topics (3 partitions) and mailbox on the run's stack."""
    workerinput = getattr(pytestconfig, "workerinput", {"workerid": "gw0"})
    worker = workerinput["workerid"].replace("gw", "w")
    made = worker_stack(stack_addresses[0], worker, stack_addresses[1])
    await create(made)
    return made


@pytest.fixture
def environment(stack: WorkerStack) -> dict[str, str]:
    """The variables for child processes of this test."""
    return dict(stack.variables)


@pytest_asyncio.fixture(scope="session")
async def producer(stack: WorkerStack) -> AsyncIterator[AIOKafkaProducer]:
    """An idempotent producer, as an upstream uses one; topics by `stack.ops.topic(name)`."""
    async with kafka.producer(stack.ops.kafka, "tests") as made:
        yield made


@pytest_asyncio.fixture(scope="session")
async def services(stack: WorkerStack, pytestconfig: pytest.Config) -> AsyncIterator[Services]:
    """The three services of this worker; they run until the session ends."""
    running = Services(stack.variables, state_dir=stack.folder, ports=free_ports())
    pytestconfig.stash[_SERVICES] = running
    async with running:
        yield running


@pytest_asyncio.fixture
async def clock(stack: WorkerStack, services: Services) -> AsyncIterator[VirtualClock]:
    """Drives the virtual clock of this worker, which all of its tests share; it only moves on."""
    async with VirtualClock(stack.ops) as driver:
        yield driver
