"""Which stack the system runs on: `STACK=compose` (the default of `make e2e`) or `embedded`."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import TypeAlias

import pytest
import pytest_asyncio

from tests.e2e.compose import ComposeSystem, build_image
from tests.e2e.embedded import EmbeddedSystem
from tests.e2e.system import System
from tests.support.end_of_run import OUTCOME

Report: TypeAlias = Callable[..., None]
Start: TypeAlias = Callable[[datetime | None], AbstractAsyncContextManager[System]]

if "STACK" not in os.environ:  # `make test` leaves this folder to `make e2e`
    collect_ignore_glob = ["test_*.py"]


@pytest_asyncio.fixture(scope="session")
async def start_system(request: pytest.FixtureRequest) -> AsyncIterator[Start]:
    """Starts a system of one's own, in real time or at an instant of a virtual clock."""
    if os.environ["STACK"] == "compose":
        await build_image()
        make: Callable[[datetime | None], System] = ComposeSystem
    elif os.environ["STACK"] == "embedded":
        make = EmbeddedSystem
    else:
        raise pytest.UsageError("STACK is compose or embedded")

    @asynccontextmanager
    async def start(starts_at: datetime | None) -> AsyncIterator[System]:
        before = request.session.testsfailed
        async with make(starts_at) as system:
            system.failed = lambda: request.session.testsfailed > before
            yield system

    yield start


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Report:
    """Keep one line for the summary: what was done, to what, outcome, seconds to recover."""

    def keep(what: str, part: str, outcome: object, seconds: float) -> None:
        line = f"{what:<24} {part:<14} {'':<5} {seconds:6.1f} s   {outcome}"
        request.node.user_properties.append((OUTCOME, line))

    return keep
