"""How far a service is behind, in seconds: the age of what it has not read yet. Pure."""

from collections import deque
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

from ops.watch.checks import Finding

_SAMPLES_MAX = 1000
_NEVER_MS = 2**62


@dataclass(slots=True)
class Behind:
    """Looks at the ends of what one service reads and at what it has committed."""

    service: str
    _looks: deque[tuple[float, Mapping[Hashable, int]]] = field(
        default_factory=lambda: deque(maxlen=_SAMPLES_MAX)
    )
    #: Whether it was seen to have read what was there at a look: before that nothing is known of its lag.
    known: bool = False

    def seconds(
        self, at_s: float, ends: Mapping[Hashable, int], committed: Mapping[Hashable, int]
    ) -> float:
        """How long ago the topics first were further than the service is now; 0 when it has read all."""
        self._looks.append((at_s, dict(ends)))
        while self._looks and all(committed.get(p, 0) >= e for p, e in self._looks[0][1].items()):
            self._looks.popleft()
            self.known = True
        return at_s - self._looks[0][0] if self._looks else 0.0


def finding(service: str, behind_s: float, records: int, where: str) -> Finding:
    """What is told about a service that is too far behind; `where` names the record it stands at."""
    sentence = f"{service} is {records} records and {behind_s:.0f} s behind, at {where}."
    return Finding("SERVICE_LAGS", service, sentence, (where,), "tenure status", 0)


def unknown(service: str) -> Finding:
    """Lets an alert that stands stand and raises none: how far the service is behind is not known yet."""
    return Finding("SERVICE_LAGS", service, "", (), "", _NEVER_MS)
