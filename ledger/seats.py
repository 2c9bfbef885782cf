"""How many devices may be protected: changes since the payment (Q25)."""

from dataclasses import dataclass
from uuid import UUID

from contracts.values import Instant


@dataclass(frozen=True, slots=True)
class SeatChange:
    """The number of seats, told at `at`, counts from `effective_at` (Q25)."""

    fact_id: UUID
    at: Instant
    effective_at: Instant
    seats: int
