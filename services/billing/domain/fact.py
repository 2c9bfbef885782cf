"""What every fact of billing has: its id and its instant."""

from dataclasses import dataclass
from uuid import UUID

from contracts.values import Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something that happened at `at`; `fact_id` breaks ties alike in all services (Q2)."""

    fact_id: UUID
    at: Instant
