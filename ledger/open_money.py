"""Money whose fate is open: a charge without an answer, a payment under dispute (Q7, T22)."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from contracts.values import Instant


@dataclass(frozen=True, slots=True)
class Asked:
    """A charge for the renewal of the period `renews`: asked for at `at`, unanswered until `closed_at`."""

    fact_id: UUID
    renews: UUID
    at: Instant
    closed_at: Instant | None = None

    def open_at(self, instant: datetime) -> bool:
        """Whether it was asked for and not answered at the instant."""
        return self.at <= instant and (self.closed_at is None or instant < self.closed_at)


@dataclass(frozen=True, slots=True)
class Dispute:
    """The money of a period is disputed from `at` until `closed_at`, whatever the outcome (T22)."""

    fact_id: UUID
    dispute_id: str
    period_id: UUID
    at: Instant
    closed_at: Instant | None = None

    def open_at(self, instant: datetime) -> bool:
        """Whether it was open at the instant."""
        return self.at <= instant and (self.closed_at is None or instant < self.closed_at)
