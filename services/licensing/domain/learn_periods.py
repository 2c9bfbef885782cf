"""Learning from billing: paid periods, what takes them away, and whether they are to be renewed."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from contracts import billing
from contracts.base import Data
from ledger.history import History, PaidPeriod, Taken, Will, WillReason


def learn_period(history: History, data: Data) -> History:
    """The history after what an event tells about paid periods and the will to renew them."""
    match data:
        case billing.SubscriptionCreated():
            return _willing(history, data, data.auto_renew, "ordered")
        case billing.CancellationScheduled():
            return _willing(history, data, False, "canceled")
        case billing.CancellationWithdrawn():
            return _willing(history, data, True, "withdrawn")
        case billing.PeriodScheduled() if data.corrects:  # paid with other settings than told
            return _changed(
                history,
                data.period_id,
                plan=data.plan,
                ordinal=data.ordinal,
                start=data.start,
                end=data.end,
            )
        case billing.PeriodScheduled() if _known(history, data.period_id) is None:
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
    return history


def _known(history: History, wanted: UUID) -> PaidPeriod | None:
    return next((period for period in history.periods if period.period_id == wanted), None)


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
    period = _known(history, data.period_id)
    if period is None:
        return history
    taken = Taken(
        fact_id=data.fact_id,
        at=data.effective_at,
        reason=data.reason,
        upcoming=isinstance(data, billing.PeriodVoided),
    )
    told = next((one for one in period.takings if one.fact_id == data.fact_id), None)
    if told and not data.corrects:  # told again
        again = replace(taken, reinstated_at=told.reinstated_at)
        takings = [again if one is told else one for one in period.takings]
        history = history.with_period(_with_takings(period, takings))
    else:  # a correction takes its reinstatement back, and what took the period away after it
        before = [one for one in period.takings if one is not told and one.at <= taken.at]
        after = [one for one in period.takings if one.at > taken.at]
        if data.corrects:
            history, after = _without_wills(history, after), []
        earlier = _with_takings(period, before).take(taken)
        history = history.with_period(_with_takings(earlier, [*earlier.takings, *after]))
    return history if data.auto_renew else _willing(history, data, False, "refunded")


def _without_wills(history: History, takings: list[Taken]) -> History:
    """What never took the period away did not end automatic renewal either."""
    for taken in takings:
        history = history.without_will(taken.fact_id)
    return history


def _with_takings(period: PaidPeriod, takings: list[Taken]) -> PaidPeriod:
    """The period that was taken away so, the oldest first."""
    last = takings[-1] if takings else None
    return replace(period, taken=last, taken_before=tuple(takings[:-1]))


def _reinstated(history: History, data: billing.PeriodReinstated) -> History:
    """The last taking before it failed; told again, only a correction of its instant counts."""
    period = _known(history, data.period_id)
    if period is None or period.taken is None:
        return history
    before = [taken for taken in period.takings if taken.at <= data.effective_at]
    failed = before[-1] if before else period.taken
    if failed.reinstated_at and not data.corrects:
        return history
    back = replace(failed, reinstated_at=data.effective_at)
    takings = [back if taken is failed else taken for taken in period.takings]
    return history.with_period(_with_takings(period, takings))


def _changed(history: History, wanted: UUID, **changes: Any) -> History:
    period = _known(history, wanted)
    return history.with_period(replace(period, **changes)) if period else history


def _willing(
    history: History, data: billing.BillingEvent, auto_renew: bool, reason: WillReason
) -> History:
    return history.with_will(Will(data.fact_id, data.effective_at, auto_renew, reason))
