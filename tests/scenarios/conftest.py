"""Topics, a database and services of their own, on which all cases live through the same two years."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer

from ops.clock import VirtualClock
from ops.supervisor import Services, free_ports
from ops.up import prepare
from tests.scenarios.case import CASES
from tests.scenarios.year import Year
from tests.support.desk import Desk, desk_at
from tests.support.worker_stack import START, WorkerStack


@pytest_asyncio.fixture(scope="package")
async def town(stack: WorkerStack) -> AsyncIterator[WorkerStack]:
    """No simulator: these tests are the payment system themselves."""
    made = stack.with_prefix(f"{stack.prefix}scenarios-", f"{stack.name}_scenarios")
    folder = stack.folder / "scenarios"
    folder.mkdir()
    made = WorkerStack(
        made.name, {**made.variables, "TENURE_STATE_DIR": str(folder)}, made.mailbox, folder
    )
    await made.create_database(made.name, "template1")
    await prepare(made.variables, simulator=False)
    async with VirtualClock(made.ops, exclusive=False) as clock:
        await clock.ensure_set(START)
    yield made
    await made.drop_database(made.name)


@pytest_asyncio.fixture(scope="package")
async def services(town: WorkerStack) -> AsyncIterator[Services]:
    """The three services of these tests."""
    async with Services(town.variables, state_dir=town.folder, ports=free_ports()) as running:
        yield running


@pytest_asyncio.fixture(scope="package")
async def desk(
    town: WorkerStack, services: Services, producer: AIOKafkaProducer
) -> AsyncIterator[Desk]:
    """For tests that need more than the year."""
    async with desk_at(town.ops, producer) as made:
        yield made


@pytest.fixture
def environment(services: Services) -> dict[str, str]:
    """The variables for child processes of these tests."""
    return services.variables


@pytest_asyncio.fixture(scope="package")
async def year(town: WorkerStack, services: Services) -> Year:
    """All cases of the imported modules have been lived."""
    async with VirtualClock(town.ops) as clock:
        lived = Year(town.ops, services, clock, town.mailbox)
        await lived.live(CASES)
    return lived
