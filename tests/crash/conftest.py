"""A stack of its own, which the tests of this folder break and mend; each test gets a scene on it."""

import re
from collections.abc import AsyncIterator, Callable, Generator
from typing import Any, TypeAlias

import pytest
import pytest_asyncio

from devstack.ports import Ports
from devstack.stack import EmbeddedStack
from ops.database import migrate_all
from tests.crash.scene import TEMPLATE, Scene
from tests.support.end_of_run import OUTCOME

Report: TypeAlias = Callable[..., None]
_SCENE: pytest.StashKey[Scene] = pytest.StashKey()


@pytest_asyncio.fixture(scope="session")
async def embedded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedStack]:
    """Durable, because it is killed; groups may miss a dead member soon."""
    folder = tmp_path_factory.mktemp("crash")
    async with EmbeddedStack(folder, Ports.free(), session_timeout_min_ms=1000) as stack:
        await stack.postgres.create_database(TEMPLATE)
        await migrate_all(stack.postgres.dsn("tenure_migrator", TEMPLATE), simulator=True)
        yield stack


@pytest_asyncio.fixture
async def scene(embedded: EmbeddedStack, request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    """A database, topics and groups for one test."""
    name = re.sub(r"[^a-z0-9]+", "_", request.node.name.lower()).strip("_")
    async with Scene(embedded, name[-50:].strip("_")) as made:
        request.node.stash[_SCENE] = made
        yield made


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Report:
    """Keep one line for the summary: point, service, hit, outcome, seconds to recover."""

    def keep(point: str, service: str, hit: object, outcome: object, seconds: float) -> None:
        line = f"{point:<24} {service:<14} {hit!s:<5} {seconds:6.1f} s   {outcome}"
        request.node.user_properties.append((OUTCOME, line))

    return keep


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """A failed test shows the ends of the logs of its services."""
    made = yield
    if made.failed and made.when == "call" and _SCENE in item.stash:
        for name, tail in item.stash[_SCENE].logs():
            made.sections.append((f"log of {name}", tail))
    return made
