"""What was counted at one look at /metrics, and what grew between two looks. Pure."""

import math
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from prometheus_client.parser import text_string_to_metric_families

Counts = Mapping[tuple[str, ...], float]
_OURS = "tenure_"
_COUNTING = ("_total", "_count", "_bucket", "_sum")
#: How far back a rate looks, so that it is steady and still of now.
RATE_S = 5.0
MINUTE_S = 60.0
_SLACK_S = 1.0


@dataclass(frozen=True)
class Look:
    """Every sample of ours at an instant of the steady clock, by its name and labels."""

    at_s: float
    values: Mapping[tuple[str, frozenset[tuple[str, str]]], float]

    @classmethod
    def read(cls, text: str, at_s: float) -> Self:
        """What a /metrics page shows. Raises ValueError when it is none."""
        return cls(
            at_s,
            {
                (sample.name, frozenset(sample.labels.items())): sample.value
                for family in text_string_to_metric_families(text)
                for sample in family.samples
                if sample.name.startswith(_OURS)
            },
        )

    def by(self, name: str, *labels: str, **only: str) -> Counts:
        """The sums of a metric by the values of some labels; with `only` of those with these labels."""
        found: defaultdict[tuple[str, ...], float] = defaultdict(float)
        for (own, given), value in self.values.items():
            if own == name and given.issuperset(only.items()):
                told = dict(given)
                found[tuple(told.get(label, "") for label in labels)] += value
        return found


@dataclass
class Looks:
    """The looks of the last minute at one process; one that was started anew is looked at anew."""

    _looks: deque[Look] = field(default_factory=deque)

    def add(self, look: Look) -> None:
        """Take the newest look."""
        if self._looks and _restarted(self._looks[-1], look):
            self._looks.clear()
        self._looks.append(look)
        while len(self._looks) > 2 and self._looks[1].at_s <= look.at_s - MINUTE_S:
            self._looks.popleft()

    @property
    def newest(self) -> Look:
        """The latest look."""
        return self._looks[-1]

    @property
    def span_s(self) -> float:
        """The time between the first and the latest look that are kept."""
        return self.newest.at_s - self._looks[0].at_s

    def per_second(self, name: str, *labels: str) -> Counts | None:
        """What a counter grew by per second lately, by labels; None before the second look."""
        before = self._before(RATE_S)
        if before is None:
            return None
        seconds = self.newest.at_s - before.at_s
        grown = _grown(before, self.newest, name, labels)
        return {each: count / seconds for each, count in grown.items()}

    def grown(self, name: str, *labels: str, **only: str) -> Counts:
        """What a counter grew by over all looks that are kept."""
        return _grown(self._looks[0], self.newest, name, labels, only)

    def _before(self, span_s: float) -> Look | None:
        wanted = self.newest.at_s - span_s - _SLACK_S
        earlier = [look for look in self._looks if look is not self.newest]
        return next((look for look in earlier if look.at_s >= wanted), None) or (
            earlier[-1] if earlier else None
        )


def _restarted(before: Look, after: Look) -> bool:
    return any(
        after.values.get(key, 0.0) < value
        for key, value in before.values.items()
        if key[0].endswith(_COUNTING)
    )


def _grown(
    before: Look,
    after: Look,
    name: str,
    labels: tuple[str, ...],
    only: Mapping[str, str] | None = None,
) -> Counts:
    now, then = (look.by(name, *labels, **(only or {})) for look in (after, before))
    return {each: count - then.get(each, 0.0) for each, count in now.items()}


def quantile(share: float, buckets: Mapping[str, float]) -> float | None:
    """The value below which `share` of the observations lie, by cumulative buckets (`le` -> count).

    Within a bucket they count as evenly spread. Infinite beyond the last bound; None without any.
    """
    ordered = sorted((float(bound), count) for bound, count in buckets.items())
    total = ordered[-1][1] if ordered else 0.0
    if total <= 0:
        return None
    rank, low, below = share * total, 0.0, 0.0
    for bound, count in ordered:
        if count >= rank and count > below:
            if math.isinf(bound):
                return math.inf
            return low + (bound - low) * (rank - below) / (count - below)
        low, below = bound, count
    return math.inf
