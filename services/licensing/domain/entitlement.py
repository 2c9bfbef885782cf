"""The latest entitlement of a subscription with its schedule, for anyone's cache."""

from datetime import datetime

from contracts import licensing
from ledger.access import NONE, StageAccess, access_of, holds_until, position_at
from ledger.stage import Stage
from services.licensing.domain.license import License


def entitlement(
    license: License, stages: tuple[Stage, ...], now: datetime
) -> licensing.Entitlement | None:
    """What may be used now and what follows if nothing happens; None before anything entitles.

    What was published is not taken back by silence: pending, when the first paid time was moved ahead.
    """
    position = position_at(stages, now)
    if position is not None:
        period = stages[position].period
        access = access_of(stages[position], holds_until(stages, position))
    elif license.seats_told is not None and license.history.periods:
        period = license.history.periods[0]
        access = StageAccess("pending", NONE, period.begins)
    else:
        return None
    ahead = tuple(
        licensing.ScheduledStage(at=later.start, state=a.state, capabilities=a.capabilities)
        for later in stages[0 if position is None else position + 1 :]
        for a in [access_of(later, later.ends_at)]
    )
    plan = period.plan
    return licensing.Entitlement(
        provider_id=license.provider_id,
        product_id=plan.product_id,
        product_type=plan.product_type,
        seats=license.history.seats_at(period, now),
        state=access.state,
        capabilities=access.capabilities,
        valid_until=access.valid_until,
        schedule=ahead,
        paid_through=license.history.paid_through,
        renewal_pending=license.history.renewal_pending,
        as_of=now,
        policy_version=period.policy_version,
        source_sequence=license.source_sequence,
    )
