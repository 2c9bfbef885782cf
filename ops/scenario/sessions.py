"""Which scenarios live on one clock: nobody lives while the services of another one are down."""

from collections.abc import Sequence
from datetime import datetime

from ops.scenario.play import Play
from ops.scenario.reading import ScenarioFile

Span = tuple[datetime, datetime]


def sessions(files: Sequence[ScenarioFile]) -> list[list[ScenarioFile]]:
    """The files in as few groups as are needed; all together where no downtime meets another life.

    A downtime is one of the whole stack: whoever else lived then would oversleep too.
    """
    found: list[list[ScenarioFile]] = []
    # Those with a downtime fit themselves in among the others.
    for file in sorted(files, key=lambda file: bool(_downtimes(file))):
        room = next((group for group in found if not any(apart(file, one) for one in group)), None)
        if room is None:
            found.append([file])
        else:
            room.append(file)
    return found


def apart(one: ScenarioFile, other: ScenarioFile) -> bool:
    """Whether one lives while the services of the other are down."""
    return _meets(_downtimes(one), _life(other)) or _meets(_downtimes(other), _life(one))


def _life(file: ScenarioFile) -> Span:
    play = Play(file, "")
    return play.start, max(instant for _, instant, _ in play.steps())


def _downtimes(file: ScenarioFile) -> list[Span]:
    play = Play(file, "")
    found = ((play.down_since(step, instant), instant) for _, instant, step in play.steps())
    return [(since, until) for since, until in found if since]


def _meets(downtimes: Sequence[Span], life: Span) -> bool:
    begins, ends = life
    return any(since < ends and begins < until for since, until in downtimes)
