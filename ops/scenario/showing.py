"""How a run looks: one line per scenario; for one that failed its differences and its timeline."""

from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from contracts.topics import TOPIC_OF
from ops.scenario.instants import Moment
from ops.scenario.play import Difference, Play
from ops.terminal import console, safe

if TYPE_CHECKING:
    from ops.timeline import Entry

_NAME_WIDTH = 44


def progress(total: int) -> Progress:
    """A bar on stderr that is gone when all is done."""
    shown = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not Console(stderr=True).is_terminal,
    )
    shown.add_task("scenarios", total=total)
    return shown


def line(play: Play, took_s: float | None) -> Text:
    """One line: whether it holds, the file, its name, how long it took."""
    text = (
        Text("ok    ", style="green") if not play.differences else Text("FAILS ", style="bold red")
    )
    text.append(f"{play.file.path.stem:<{_NAME_WIDTH}} ")
    text.append_text(safe(play.scenario.name))
    if took_s is not None:
        text.append(f"  {took_s * 1000:.0f} ms", style="dim")
    return text


def show_failure(play: Play) -> None:
    """The differences step by step, then everything that happened."""
    from ops.standing import standing
    from ops.subscriptions import Known
    from ops.timeline_view import header, table

    out = console()
    out.print(Text(f"\n{play.file.path}: {play.scenario.name}", style="bold red"))
    for difference in play.differences:
        out.print(_difference(play, difference))
    if play.history is not None:
        known = Known(play.id, play.scenario.provider, play.reference)
        stand = standing(known, play.history, play.file.policies, play.now)
        out.print(header(stand))
        out.print(table(_entries(play), stand))


def _difference(play: Play, difference: Difference) -> Text:
    step = play.scenario.steps[difference.step]
    text = Text(f"  step {difference.step + 1}", style="bold")
    text.append_text(safe(f" ({_when(step.at)}{step.what()}): {difference.field}\n"))
    text.append("    expected  ", style="green").append_text(safe(difference.expected))
    text.append("\n    found     ", style="red").append_text(safe(difference.found))
    return text


def _when(at: Moment | None) -> str:
    return f"at {at}, " if at else ""


def _entries(play: Play) -> list["Entry"]:
    """Everything that was said as a timeline shows it."""
    from ops.timeline import Entry, business_time, lane_of, told_once

    found = [
        Entry(business_time(m), lane_of(m.data), TOPIC_OF[m.type].name, m)
        for m in play.heard
        if told_once(m.data) and TOPIC_OF[m.type].kept_days is not None
    ]
    return sorted(found, key=lambda entry: entry.at)
