"""Every scenario file, in memory and all together on the stack; both say the same, message by message."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import cache
from pathlib import Path

import jsonschema_rs
import pytest
import pytest_asyncio

from devstack.mailbox import Mailbox
from devstack.ports import free_ports as free_numbers
from ops.clock import VirtualClock
from ops.scenario import schema_file
from ops.scenario.commands import DIGEST_KEY
from ops.scenario.memory import play_in_memory
from ops.scenario.play import Play
from ops.scenario.reading import ScenarioFile, find, parsed, read
from ops.scenario.sessions import sessions
from ops.scenario.stack import Town
from ops.supervisor import Services, free_ports
from ops.up import SIMULATOR, prepare
from tests.support.worker_stack import WorkerStack

FOLDER = Path(__file__).parent
FILES = find([FOLDER])
_PACKS: dict[Path, object] = {}


@cache
def known(path: Path) -> ScenarioFile:
    """The scenario of a file."""
    return read(path, _PACKS)  # type: ignore[arg-type]


def told(play: Play) -> str:
    """The differences of a play, for people."""
    lines = [
        f"step {d.step + 1}: {d.field}: expected {d.expected}, found {d.found}"
        for d in play.differences
    ]
    return "\n".join([play.file.path.name, *lines])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_in_memory(path: Path) -> None:
    play = play_in_memory(known(path))
    assert not play.differences, told(play)


def test_the_schema_is_that_of_the_code_and_takes_every_file() -> None:
    assert schema_file.main(["check"]) == 0
    validator = jsonschema_rs.validator_for(json.loads(schema_file.FILE.read_text()))
    for path in FILES:
        assert [e.message for e in validator.iter_errors(parsed(path.read_text())[0])] == []


def test_names_are_given_once() -> None:
    names = [known(path).scenario.name for path in FILES]
    assert len(set(names)) == len(names)


@pytest_asyncio.fixture
async def village(stack: WorkerStack) -> AsyncIterator[Town]:
    """A stack of its own: database, topics, mailbox, the services and a payment system."""
    made = stack.with_prefix(f"{stack.prefix}files-", f"{stack.name}_files")
    folder = stack.folder / "files"
    folder.mkdir()
    mailbox = Mailbox(folder, *free_numbers(2))
    await mailbox.start()
    variables = {
        **made.variables,
        "IDENTITY_DIGEST_KEY": DIGEST_KEY,
        "SMTP_URL": f"smtp://127.0.0.1:{mailbox.smtp_port}",
        "MAILBOX_URL": mailbox.url,
    }
    made = WorkerStack(made.name, variables, mailbox, folder)
    await made.create_database(made.name, "template1")
    await prepare(made.variables, simulator=True)
    async with VirtualClock(made.ops, exclusive=False) as clock:
        first = min(Play(known(path), "").start for path in FILES)
        await clock.ensure_set(first - timedelta(hours=1))
    running = Services(variables, state_dir=folder, ports=free_ports(), companions=SIMULATOR)
    async with running, Town(made.ops, mailbox) as town:
        yield town
    await mailbox.stop()
    await made.drop_database(made.name)


@pytest.mark.xdist_group("scenario-files")
@pytest.mark.timeout(600)
async def test_on_the_stack(village: Town) -> None:
    files = [file for path in FILES if not (file := known(path)).own_packs]
    # What has a downtime starts apart from all others: one stack is enough for ours.
    assert len(sessions(files)) == 1
    plays = await village.live(files)
    assert "\n".join(told(play) for play in plays if play.differences) == ""
    for play in plays:
        assert play.transcript() == play_in_memory(play.file).transcript(), play.file.path.name
