"""The license: what billing told about one subscription, and what licensing said about access."""

from uuid import UUID

from pydantic import Field

from contracts import billing
from contracts.base import Data, Frozen
from contracts.envelope import Envelope
from contracts.values import Instant
from ledger.history import History, PaidPeriod, Taken, Will


class Said(Frozen):
    """One announcement that was made: the event that made it."""

    key: str
    event_id: UUID


class License(Frozen):
    """The state of one subscription in licensing; status and access are derived, never stored."""

    subscription_id: UUID
    provider_id: str = ""
    history: History = History()
    #: The period whose renewal charge is unanswered (Q7).
    charging: UUID | None = None
    said: tuple[Said, ...] = ()
    #: Last position read on billing.events, for the readers of the entitlement.
    source_sequence: int = 0
    #: The next instant at which there is something to say; derived by decide, not stored in the body.
    due_at: Instant | None = Field(default=None, exclude=True)


def learn(license: License, message: Envelope) -> License:
    """The license after one message of billing; the same license when it does not concern access."""
    data = message.data
    history = _learn(license.history, data)
    charging = license.charging
    match data:
        case billing.RenewalChargeRequested():
            charging = data.renews
        case billing.RenewalChargeWithdrawn() | billing.PeriodScheduled():
            charging = None
        case billing.PaymentFailed() if data.hard_decline or data.next_attempt_at is None:
            charging = None
        case billing.SubscriptionCreated():
            license = license.model_copy(update={"provider_id": data.provider_id})
    if history is license.history and charging == license.charging:
        return license
    return license.model_copy(
        update={
            "history": history,
            "charging": charging,
            "source_sequence": message.sequence or license.source_sequence,
        }
    )


def _learn(history: History, data: Data) -> History:
    match data:
        case billing.SubscriptionCreated():
            return _willing(history, data, data.auto_renew, "ordered")
        case billing.CancellationScheduled():
            return _willing(history, data, False, "canceled")
        case billing.CancellationWithdrawn():
            return _willing(history, data, True, "withdrawn")
        case billing.PeriodScheduled():
            periods = (*history.periods, _period(data))
            return history.model_copy(update={"periods": _ordered(periods)})
        case billing.PeriodShifted():
            return _changed(history, data.period_id, **_moved(data.new))
        case billing.PeriodReinstated():
            return _reinstated(history, data)
        case billing.PeriodVoided() | billing.PeriodRevoked():
            return _taken(history, data)
        case billing.RenewalChargeRequested():
            return history.model_copy(update={"charged": history.charged | {data.renews}})
        case billing.PaymentFailed(period_id=UUID() as renewed):
            return history.model_copy(update={"charged": history.charged | {renewed}})
    return history


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


def _moved(bounds: billing.PeriodBounds) -> dict[str, object]:
    return {"ordinal": bounds.ordinal, "start": bounds.start, "end": bounds.end}


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
            taken = period.taken.model_copy(update={"reinstated_at": data.effective_at})
            return _changed(history, data.period_id, taken=taken)
    return history


def _changed(history: History, wanted: UUID, **changes: object) -> History:
    periods = tuple(
        p.model_copy(update=changes) if p.period_id == wanted else p for p in history.periods
    )
    return history.model_copy(update={"periods": _ordered(periods)})


def _ordered(periods: tuple[PaidPeriod, ...]) -> tuple[PaidPeriod, ...]:
    return tuple(sorted(periods, key=lambda p: (p.start, p.paid_at, p.period_id)))


def _willing(
    history: History, data: billing.BillingEvent, auto_renew: bool, reason: str
) -> History:
    if any(will.fact_id == data.fact_id for will in history.wills):
        return history
    will = Will.model_validate(
        {
            "fact_id": data.fact_id,
            "at": data.effective_at,
            "auto_renew": auto_renew,
            "reason": reason,
        }
    )
    wills = sorted((*history.wills, will), key=lambda w: (w.at, w.fact_id))
    return history.model_copy(update={"wills": tuple(wills)})
