"""The broker's clock as the watch knows it: no wall clock of ours, so that none can jump. Pure."""

from dataclasses import dataclass


@dataclass(slots=True)
class BrokerClock:
    """Goes with the steady clock of this process from the newest record time on.

    It tells which window is over and what time an alert carries; how long something stands is counted
    by the steady clock alone, so that a broker's clock that jumps raises nothing. The time of a record
    that was read late is behind the broker's, so that this may be too early. 0 before the first record.
    """

    _ahead_ms: int | None = None

    def see(self, record_ms: int, steady_ms: int) -> None:
        """Take the time of a record that was just read."""
        ahead = record_ms - steady_ms
        if self._ahead_ms is None or ahead > self._ahead_ms:
            self._ahead_ms = ahead

    def now_ms(self, steady_ms: int) -> int:
        """The broker's time now, or somewhat before it."""
        return 0 if self._ahead_ms is None else steady_ms + self._ahead_ms
