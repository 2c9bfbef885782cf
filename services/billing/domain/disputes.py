"""Disputes at the customer's bank: from opened to won or lost (T22, Q16)."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from contracts import payments
from services.billing.domain import facts

DisputeFact = facts.DisputeOpened | facts.DisputeWon | facts.DisputeLost
_FACTS: dict[type[payments.DisputeEvent], type[DisputeFact]] = {
    payments.DisputeOpened: facts.DisputeOpened,
    payments.DisputeWon: facts.DisputeWon,
    payments.DisputeLost: facts.DisputeLost,
}


@dataclass(slots=True)
class Dispute:
    """One dispute and how far it came; when the bank decided more than once, its last word counts."""

    dispute_id: str
    order_id: str
    opened: facts.DisputeOpened | None = None
    decisions: list[facts.DisputeWon | facts.DisputeLost] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Whether the bank has not decided yet."""
        return self.opened is not None and not self.decisions

    @property
    def is_lost(self) -> bool:
        """Whether the money is gone."""
        return bool(self.decisions) and isinstance(self.decisions[-1], facts.DisputeLost)


def dispute_fact(fact_id: UUID, at: datetime, data: payments.DisputeEvent) -> DisputeFact:
    """What upstream tells about a dispute, as a fact."""
    return _FACTS[type(data)](
        fact_id=fact_id,
        at=at,
        dispute_id=data.dispute_id,
        order_id=data.order_id,
        amount=data.amount,
    )
