"""The scenario files, through the published ports: the same transcript as in memory."""

import time
from datetime import timedelta
from pathlib import Path

import pytest

from ops.scenario.memory import play_in_memory
from ops.scenario.play import Play
from ops.scenario.reading import ScenarioFile, find, read
from ops.scenario.sessions import sessions
from ops.scenario.stack import Town
from tests.e2e.conftest import Report, Start

_FOLDER = Path(__file__).resolve().parents[1] / "scenarios"


def _playable(file: ScenarioFile) -> bool:
    """The services have our packs, and a mail server takes no orders to fail."""
    answers = [file.scenario.answers, *(s.answer for s in file.scenario.steps if s.answer)]
    return not (file.own_packs or any(a.mail in ("refused", "unknown") for a in answers))


@pytest.mark.timeout(900)
async def test_every_scenario_holds(start_system: Start, report: Report) -> None:
    files = [file for path in find([_FOLDER]) if _playable(file := read(path, {}))]
    assert len(files) > 120
    assert len(sessions(files)) == 1
    first = min(Play(file, "").start for file in files)
    began = time.monotonic()
    async with (
        start_system(first - timedelta(hours=1)) as system,
        Town(system.stack, system.mailbox) as town,
    ):
        plays = await town.live(files)
    for play in plays:
        assert not play.differences, play.file.path.name
        assert play.transcript() == play_in_memory(play.file).transcript(), play.file.path.name
    outcome = f"{len(plays)} scenarios hold, with the transcript that they have in memory"
    report("scenarios", "all", outcome, time.monotonic() - began)
