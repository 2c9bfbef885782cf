"""A downtime of a scenario: nothing is done in it, and on the stack nobody else lives in it."""

from pathlib import Path

import pytest

from ops.errors import WrongUsage
from ops.scenario.memory import play_in_memory
from ops.scenario.play import Play
from ops.scenario.reading import ScenarioFile, read
from ops.scenario.sessions import sessions
from ops.scenario.stack_run import play_on_stack

DOWN = """\
name: Down for a month
shows: Nothing is done while the services are down.
rules: [Q23]
provider: online-store
start: {start}
plan: {{term: P3M}}
answers: silent
steps:
- upstream: order-placed
- upstream: payment-succeeded
- at: +100d
  {down}
  expect: {{mails: [order-confirmation, renewal-reminder{more}, hold-started]}}
"""


def file(folder: Path, name: str, *, start: str = "2021-01-01", down: bool = True) -> ScenarioFile:
    path = folder / f"{name}.yaml"
    words = "down_since: +80d" if down else "answer: silent"
    more = "" if down else ", grace-started"
    path.write_text(DOWN.format(start=start, down=words, more=more))
    return read(path)


def names(groups: list[list[ScenarioFile]]) -> list[list[str]]:
    return [[one.path.stem for one in group] for group in groups]


@pytest.mark.parametrize("down", [True, False])
def test_only_the_last_stage_that_was_skipped_is_mailed(tmp_path: Path, down: bool) -> None:
    play = play_in_memory(file(tmp_path, "one", down=down))
    assert play.differences == []


def test_a_downtime_does_everything_at_its_end(tmp_path: Path) -> None:
    play: Play = play_in_memory(file(tmp_path, "one"))
    recorded = {(m.recordedat - play.start).days for m in play.heard if m.recordedat}
    assert recorded == {0, 60, 76, 100}


def test_lives_that_meet_no_downtime_share_a_clock(tmp_path: Path) -> None:
    plain = [file(tmp_path, name, down=False) for name in "ab"]
    apart = file(tmp_path, "c", start="2022-01-01")
    assert names(sessions([apart, *plain])) == [["a", "b", "c"]]


def test_who_lives_in_the_downtime_of_another_needs_another_clock(tmp_path: Path) -> None:
    # It is down from 22 March until 11 April.
    down = file(tmp_path, "down")
    others = {
        "over_when_it_begins": "2020-12-12",
        "on_its_way": "2020-12-13",
        "beginning_in_it": "2021-04-10",
        "after_it": "2021-04-11",
    }
    for name, start in others.items():
        other = file(tmp_path, name, start=start, down=False)
        alone = [[name], ["down"]]
        together = [[name, "down"]]
        meets = name in ("on_its_way", "beginning_in_it")
        assert names(sessions([down, other])) == (alone if meets else together), name


async def test_one_stack_is_refused_where_two_are_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setenv("IDENTITY_DIGEST_KEY", "scenarios only")
    monkeypatch.setenv("CLOCK", "virtual")
    files = [file(tmp_path, "down"), file(tmp_path, "other", down=False)]
    with pytest.raises(WrongUsage, match=r"down\.yaml and .*other\.yaml cannot share a clock"):
        await play_on_stack(files, print)
