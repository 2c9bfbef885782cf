"""`tenure scenario`: run scenario files in memory or on the live stack."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from contracts.policy import Policies
from ops.errors import OpsError
from ops.scenario.memory import play_in_memory
from ops.scenario.play import Play
from ops.scenario.reading import ScenarioFile, find, read
from ops.scenario.showing import line, progress, show_failure
from ops.terminal import console, run, say

Engine = Literal["memory", "stack"]


def scenario(
    *files: Annotated[Path, Parameter(help="Scenario files, or folders with scenario files.")],
    engine: Annotated[
        Engine, Parameter(help="memory: at once; stack: on Kafka and PostgreSQL.")
    ] = "memory",
) -> None:
    """Run scenarios: one line each; what fails is shown with its differences and its timeline.

    `stack` starts a stack of its own, unless KAFKA_BOOTSTRAP_SERVERS names one.
    """
    known = read_all(files or (Path("tests/scenarios"),))
    began = time.monotonic()
    plays = _in_memory(known) if engine == "memory" else _on_stack(known)
    failed = [play for play in plays if play.differences]
    for play in failed:
        show_failure(play)
    took_s = time.monotonic() - began
    summary = (
        f"{len(plays) - len(failed)} of {len(plays)} scenarios hold ({engine}, {took_s:.1f} s)"
    )
    if failed:
        raise OpsError(f"{summary}.")
    console().print(summary, style="bold green")


def read_all(given: Sequence[Path]) -> list[ScenarioFile]:
    """Every file, read and checked. Raises NotFound, InvalidScenario with all mistakes."""
    packs: dict[Path, Policies] = {}
    return [read(path, packs) for path in find(given)]


def _in_memory(files: Sequence[ScenarioFile]) -> list[Play]:
    out, plays = console(), []
    with progress(len(files)) as shown:
        for file in files:
            began = time.perf_counter()
            play = play_in_memory(file)
            plays.append(play)
            shown.advance(shown.task_ids[0])
            out.print(line(play, time.perf_counter() - began))
    return plays


def _on_stack(files: Sequence[ScenarioFile]) -> list[Play]:
    from ops.scenario.stack_run import play_on_stack

    taken = [file for file in files if not file.own_packs]
    if len(taken) < len(files):
        say(f"{len(files) - len(taken)} with own packs left out: they run in memory only.")
    if not taken:
        return []
    stops = {instant for file in taken for _, instant, _ in Play(file, "").steps()}
    with progress(len(stops)) as shown:
        plays = run(play_on_stack(taken, say, lambda now: shown.advance(shown.task_ids[0])))
    for play in plays:
        console().print(line(play, None))
    return plays
