"""The refund window: until when a paid period can be paid back (S-41, Q13)."""

from datetime import datetime

from ledger.calendar import end_of_local_day
from ledger.history import PaidPeriod
from services.billing.domain.standing import Standing


def refund_until(known: Standing, period: PaidPeriod) -> datetime | None:
    """The instant before which a refund of the period can be asked for; None when not offered."""
    policy = known.policy(period.policy_version)
    if policy.refund_window is None or period.kind not in policy.refundable_kinds:
        return None
    return end_of_local_day(period.ordered_at, policy.refund_window.days, policy.refund_tz)
