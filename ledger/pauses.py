"""Pauses: spans in which paid time stands still or runs unused (Q17)."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from contracts.values import Instant, PauseMode


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """One pause that was granted; it ends at `resumes_at`, or at `ended_at` when resumed earlier.

    An `at_period_end` pause begins where the period `follows` ends, however that moves.
    """

    fact_id: UUID
    mode: PauseMode
    #: When it was asked for; an immediate pause begins then.
    at: Instant
    resumes_at: Instant
    follows: UUID | None = None
    ended_at: Instant | None = None

    @property
    def end(self) -> datetime:
        """When it ends, as far as known."""
        return min(self.ended_at or self.resumes_at, self.resumes_at)


@dataclass(frozen=True, slots=True)
class PauseSpan:
    """Where a pause lies on the axis of time: `[start, end)`."""

    pause: Pause
    start: datetime
    end: datetime

    def covers(self, instant: datetime) -> bool:
        """Whether the subscription pauses at the instant."""
        return self.start <= instant < self.end
