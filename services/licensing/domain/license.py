"""The license: what billing told about one subscription, and what licensing said about access."""

from dataclasses import dataclass, field, replace
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, TypeAdapter, with_config

from contracts import billing
from contracts.base import STRICT
from contracts.envelope import Envelope
from contracts.values import Instant, Seats
from ledger.history import History
from services.licensing.domain.learn_changes import learn_change
from services.licensing.domain.learn_charges import Charge, learn_charge
from services.licensing.domain.learn_periods import learn_period


@dataclass(frozen=True, slots=True)
class Said:
    """One announcement that was made: the event that made it."""

    key: str
    event_id: UUID


@with_config(STRICT)
@dataclass(frozen=True, slots=True)
class License:
    """The state of one subscription in licensing; status and access are derived, never stored."""

    subscription_id: UUID
    provider_id: str = ""
    #: The fact of the order that created it; an earlier one that arrives late takes its place.
    ordered_by: UUID | None = None
    history: History = field(default_factory=History)
    #: The charges asked for, which answers name by their charge_id.
    charges: tuple[Charge, ...] = ()
    said: tuple[Said, ...] = ()
    #: The seats of the last entitlement told: they may change while nothing else does.
    seats_told: Seats | None = None
    #: Last position read on billing.events, for the readers of the entitlement.
    source_sequence: int = 0
    #: The next instant at which there is something to say; derived by decide, not stored in the body.
    due_at: Annotated[Instant | None, Field(exclude=True)] = None


#: How a license is written as JSON and read again.
STORED = TypeAdapter(License)


def learn(license: License, message: Envelope) -> License:
    """The license after one message of billing; the same license when it does not concern access."""
    data = message.data
    history = license.history
    changes: dict[str, Any] = {}
    if isinstance(data, billing.SubscriptionCreated):
        if data.corrects and license.ordered_by:
            history = history.without_will(license.ordered_by)
        if data.corrects or not license.provider_id:
            changes = {"provider_id": data.provider_id, "ordered_by": data.fact_id}
    history = learn_period(history, data)
    history = learn_change(history, data, message.time)
    history, charges = learn_charge(history, license.charges, data)
    if history == license.history and charges == license.charges and not changes:
        return license
    return replace(
        license,
        history=history,
        charges=charges,
        source_sequence=message.sequence or license.source_sequence,
        **changes,
    )
