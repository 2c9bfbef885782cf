"""What was seen of every part of a stack at one moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from ops.alert_board import Known
from ops.top.samples import Looks
from ops.work import Work

T_co = TypeVar("T_co", covariant=True)
WATCH = "watch"
#: The trouble with a part that was not looked at yet.
ASKING = "asking"


@dataclass(frozen=True)
class Seen(Generic[T_co]):
    """What was seen of a part last; without a value `trouble` says why."""

    value: T_co | None
    trouble: str = ""


@dataclass(frozen=True)
class Backlog:
    """What the databases say is still to do, and how many dead letters wait, by service."""

    work: Work
    dead_letters: Mapping[str, int]


@dataclass(frozen=True)
class Sight:
    """All parts; `metrics` of the services and the watch with why each is not ready (or nothing)."""

    #: The real clock: alerts have the broker's time.
    at: datetime
    virtual: bool
    #: What stands before the name of every topic.
    prefix: str
    metrics: Mapping[str, Seen[tuple[Looks, str]]]
    #: Unread records by service.
    lag: Seen[Mapping[str, int]]
    backlog: Seen[Backlog]
    #: Those that stand, oldest first.
    alerts: Seen[Sequence[Known]]

    def looks(self, name: str) -> Looks | None:
        """What a service or the watch counted; None while it is away."""
        seen = self.metrics[name].value
        return seen[0] if seen else None
