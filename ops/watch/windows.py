"""Tumbling windows over the broker's time: how many records of each kind, per window. Pure."""

from collections import Counter
from dataclasses import dataclass, field

#: Topic, type, provider, outcome.
Kind = tuple[str, str, str, str]
OTHER = "other"


@dataclass(slots=True)
class Windows:
    """Counts in the newest windows; what comes for an older one is too late and only counted in all.

    `kinds_max` bounds what strangers can make us remember: the provider and the type in a message of
    upstream are whatever somebody wrote.
    """

    size_ms: int = 60_000
    kept: int = 3
    kinds_max: int = 2000
    counts: dict[int, Counter[Kind]] = field(default_factory=dict)
    kinds: set[Kind] = field(default_factory=set)

    def add(self, kind: Kind, at_ms: int) -> None:
        """Count one record."""
        start = at_ms - at_ms % self.size_ms
        if self.counts and start <= max(self.counts) - self.kept * self.size_ms:
            return
        if kind not in self.kinds:
            if len(self.kinds) >= self.kinds_max:
                kind = (kind[0], OTHER, OTHER, OTHER)
            self.kinds.add(kind)
        self.counts.setdefault(start, Counter())[kind] += 1
        for old in sorted(self.counts)[: -self.kept]:
            del self.counts[old]

    def last_full(self, now_ms: int) -> Counter[Kind]:
        """What the newest window held that is over at `now_ms`; empty when nothing came in it."""
        start = now_ms - now_ms % self.size_ms - self.size_ms
        return self.counts.get(start, Counter())
