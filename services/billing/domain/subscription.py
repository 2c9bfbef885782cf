"""The subscription: its facts in canonical order, and what billing has said about them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Annotated
from uuid import UUID

from pydantic import Field, TypeAdapter, with_config

from contracts.base import STRICT
from contracts.values import Instant
from services.billing.domain.facts import AnyFact, canonical


@dataclass(frozen=True, slots=True)
class Said:
    """One announcement that was made; `value` is what it said, where that can change later."""

    key: str
    event_id: UUID
    value: str = ""


@with_config(STRICT)
@dataclass(frozen=True, slots=True)
class Subscription:
    """The state of one subscription in billing; everything else is derived from its facts."""

    subscription_id: UUID
    provider_id: str = ""
    reference: str = ""
    facts: tuple[AnyFact, ...] = ()
    said: tuple[Said, ...] = ()
    #: The next instant at which there is something to do; derived by decide, not stored in the body.
    due_at: Annotated[Instant | None, Field(exclude=True)] = None

    def knows(self, fact_id: UUID) -> bool:
        """Whether a fact is known already."""
        return any(fact.fact_id == fact_id for fact in self.facts)

    def knowing(self, new: Iterable[AnyFact]) -> "Subscription":
        """The subscription with more facts, in canonical order; facts that it knows stay as they are."""
        fresh = [fact for fact in new if not self.knows(fact.fact_id)]
        if not fresh:
            return self
        return replace(self, facts=tuple(sorted((*self.facts, *fresh), key=canonical)))


#: How a subscription is written as JSON and read again.
STORED = TypeAdapter(Subscription)
