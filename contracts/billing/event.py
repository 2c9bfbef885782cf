"""What every event of billing carries."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from contracts.base import Data
from contracts.values import Instant

Ordinal = Annotated[int, Field(ge=1)]


class BillingEvent(Data):
    """A fact as billing tells it: which fact, since when it counts, which earlier events it corrects."""

    fact_id: UUID
    effective_at: Instant
    corrects: tuple[UUID, ...] | None = None
