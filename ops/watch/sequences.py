"""The numbers of one key on one topic: which were seen, which are missing. Pure."""

from dataclasses import dataclass, field

#: More holes than this are one alert all the same; the rest need not be remembered.
_MISSING_MAX = 1000


@dataclass(slots=True)
class Sequence:
    """`first` and `last` number seen, and the numbers between them that were not; repetitions are free.

    What was told before `first` may be out of retention, so that it is not missed.
    """

    first: int
    last: int
    missing: set[int] = field(default_factory=set)
    #: The event behind the newest hole, and when it was heard.
    behind: str = ""
    since_ms: int = 0

    def see(self, number: int, event_id: str, at_ms: int) -> bool:
        """Take a number; whether it was new."""
        if number > self.last:
            if number > self.last + 1:
                hole = range(self.last + 1, number)[: _MISSING_MAX - len(self.missing)]
                self.missing.update(hole)
                self.behind, self.since_ms = event_id, at_ms
            self.last = number
            return True
        if number in self.missing:
            self.missing.discard(number)
            return True
        return False
