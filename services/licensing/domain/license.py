"""The license: what billing told about one subscription, and what licensing said about access."""

from dataclasses import dataclass, field, replace
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, TypeAdapter, with_config

from contracts import billing
from contracts.base import STRICT, Data
from contracts.envelope import Envelope
from contracts.values import Instant
from ledger.history import History, PaidPeriod, Taken, Will, WillReason


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
    #: The period whose renewal charge is unanswered (Q7).
    charging: UUID | None = None
    said: tuple[Said, ...] = ()
    #: Last position read on billing.events, for the readers of the entitlement.
    source_sequence: int = 0
    #: The next instant at which there is something to say; derived by decide, not stored in the body.
    due_at: Annotated[Instant | None, Field(exclude=True)] = None


#: How a license is written as JSON and read again.
STORED = TypeAdapter(License)


def learn(license: License, message: Envelope) -> License:
    """The license after one message of billing; the same license when it does not concern access."""
    data = message.data
    history, charging = license.history, license.charging
    changes: dict[str, Any] = {}
    if isinstance(data, billing.SubscriptionCreated) and data.corrects and license.ordered_by:
        history = history.without_will(license.ordered_by)
    history = _learn(history, data)
    match data:
        case billing.RenewalChargeRequested():
            charging = data.renews
        case billing.RenewalChargeWithdrawn() | billing.PeriodScheduled():
            charging = None
        case billing.PaymentFailed() if data.period_id == charging:
            if data.hard_decline or data.next_attempt_at is None:
                charging = None
        case billing.SubscriptionCreated() if data.corrects or not license.provider_id:
            changes = {"provider_id": data.provider_id, "ordered_by": data.fact_id}
    if history == license.history and charging == license.charging and not changes:
        return license
    return replace(
        license,
        history=history,
        charging=charging,
        source_sequence=message.sequence or license.source_sequence,
        **changes,
    )


def _learn(history: History, data: Data) -> History:
    match data:
        case billing.SubscriptionCreated():
            return _willing(history, data, data.auto_renew, "ordered")
        case billing.CancellationScheduled():
            return _willing(history, data, False, "canceled")
        case billing.CancellationWithdrawn():
            return _willing(history, data, True, "withdrawn")
        case billing.PeriodScheduled() if not _knows(history, data.period_id):
            return history.with_period(_period(data))
        case billing.PeriodShifted():
            new = data.new
            return _changed(
                history, data.period_id, ordinal=new.ordinal, start=new.start, end=new.end
            )
        case billing.PeriodReinstated():
            return _reinstated(history, data)
        case billing.PeriodVoided() | billing.PeriodRevoked():
            return _taken(history, data)
        case billing.RenewalChargeRequested():
            return history.with_charged(data.fact_id, data.renews)
        case billing.PaymentFailed(period_id=UUID() as renewed):
            return history.with_charged(data.fact_id, renewed)
    return history


def _knows(history: History, wanted: UUID) -> bool:
    return any(period.period_id == wanted for period in history.periods)


def _period(data: billing.PeriodScheduled) -> PaidPeriod:
    return PaidPeriod(
        fact_id=data.fact_id,
        period_id=data.period_id,
        order_id=data.order_id,
        kind=data.kind,
        ordinal=data.ordinal,
        amount=data.amount,
        plan=data.plan,
        ordered_at=data.ordered_at,
        paid_at=data.effective_at,
        start=data.start,
        end=data.end,
        basis=data.basis,
        policy_version=data.policy_version,
        anchor=data.start,
        step=1,
    )


def _taken(history: History, data: billing.PeriodVoided | billing.PeriodRevoked) -> History:
    taken = Taken(
        fact_id=data.fact_id,
        at=data.effective_at,
        reason=data.reason,
        upcoming=isinstance(data, billing.PeriodVoided),
    )
    history = _changed(history, data.period_id, taken=taken)
    return history if data.auto_renew else _willing(history, data, False, "refunded")


def _reinstated(history: History, data: billing.PeriodReinstated) -> History:
    for period in history.periods:
        if period.period_id == data.period_id and period.taken:
            taken = replace(period.taken, reinstated_at=data.effective_at)
            return _changed(history, data.period_id, taken=taken)
    return history


def _changed(history: History, wanted: UUID, **changes: Any) -> History:
    for period in history.periods:
        if period.period_id == wanted:
            return history.with_period(replace(period, **changes))
    return history


def _willing(
    history: History, data: billing.BillingEvent, auto_renew: bool, reason: WillReason
) -> History:
    return history.with_will(Will(data.fact_id, data.effective_at, auto_renew, reason))
