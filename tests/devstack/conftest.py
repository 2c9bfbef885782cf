"""One mailbox for all tests of faults; each test gets it empty and honest."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from devstack.mailbox import Mailbox
from devstack.ports import Ports


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def one_mailbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mailbox]:
    ports = Ports.free()
    state_dir: Path = tmp_path_factory.mktemp("mailbox")
    mailbox = Mailbox(state_dir, ports.smtp, ports.mailbox)
    await mailbox.start()
    yield mailbox
    await mailbox.stop()


@pytest_asyncio.fixture
async def shared(one_mailbox: Mailbox) -> Mailbox:
    await one_mailbox.set_faults([])
    await one_mailbox.clear()
    return one_mailbox
