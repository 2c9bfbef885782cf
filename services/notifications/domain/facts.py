"""What later letters need to know, taken from every event that passes."""

from typing import Any

from contracts import billing, licensing
from contracts.base import Data
from contracts.envelope import Envelope
from services.notifications.domain.correspondence import (
    Correspondence,
    Notice,
    Period,
    Subscriber,
)

#: Paid periods kept; letters are about the latest ones.
PERIODS_MAX = 24
#: Events after which letters that are not sent yet read differently.
CHANGES_LETTERS: tuple[type[Data], ...] = (
    billing.SubscriptionCreated,
    billing.PeriodScheduled,
    billing.PeriodShifted,
    billing.PeriodEnding,
    billing.CancellationScheduled,
    billing.CancellationWithdrawn,
    licensing.ExpiryReasonCorrected,
)


def heard(state: Correspondence, envelope: Envelope) -> Correspondence:
    """The state with the facts that this event tells."""
    changes: dict[str, Any] = {"provider_id": envelope.providerid}
    match envelope.data:
        case billing.SubscriptionCreated() as created:
            changes["auto_renew"] = created.auto_renew
            changes["subscriber"] = Subscriber(
                reference=created.reference,
                customer_id=created.customer_id,
                plan=created.plan,
                billing_tz=created.billing_tz,
            )
        case billing.PeriodScheduled() as scheduled:
            changes["periods"] = _with_period(state, scheduled)
        case billing.PeriodShifted() as shifted:
            changes["periods"] = tuple(
                _moved(period, shifted) if period.period_id == shifted.period_id else period
                for period in state.periods
            )
        case billing.PeriodEnding() as ending:
            changes["auto_renew"] = ending.auto_renew
        case billing.CancellationScheduled():
            changes["auto_renew"] = False
        case billing.CancellationWithdrawn():
            changes["auto_renew"] = True
        case licensing.ExpiryReasonCorrected() as corrected:
            changes["notices"] = tuple(_corrected(one, corrected) for one in state.notices)
    return state.model_copy(update=changes)


def _with_period(state: Correspondence, scheduled: billing.PeriodScheduled) -> tuple[Period, ...]:
    others = [one for one in state.periods if one.period_id != scheduled.period_id]
    period = Period(
        period_id=scheduled.period_id,
        order_id=scheduled.order_id,
        start=scheduled.start,
        end=scheduled.end,
        refund_until=scheduled.refund_until,
    )
    return (*others, period)[-PERIODS_MAX:]


def _moved(period: Period, shifted: billing.PeriodShifted) -> Period:
    return period.model_copy(update={"start": shifted.new.start, "end": shifted.new.end})


def _corrected(notice: Notice, corrected: licensing.ExpiryReasonCorrected) -> Notice:
    if notice.kind != "expired" or not notice.is_open:
        return notice
    return notice.model_copy(update={"params": {**notice.params, "reason": corrected.new}})
