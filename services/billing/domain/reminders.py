"""Reminders: when the reminder or the expiry notice of a period is due, and when a reminder is late."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from contracts.envelope import effect_id
from ledger.calendar import is_short
from ledger.history import PaidPeriod
from services.billing.domain import facts
from services.billing.domain.renewals import noticed_charge_at, unpaused
from services.billing.domain.standing import Standing


@dataclass(frozen=True, slots=True)
class Reminder:
    """The reminder, or the expiry notice when renewal is off, of the period that ends next.

    `end` is when the next one has to follow: the end of the period, or of a pause that begins there.
    """

    period: PaidPeriod
    end: datetime
    at: datetime
    renews: bool
    charge_on: datetime | None

    @property
    def key(self) -> str:
        """What makes it said once: the period, and when the next one has to follow (Q4)."""
        kind = "reminder" if self.renews else "expiry-notice"
        return f"{kind}:{self.period.period_id} {self.end.isoformat()}"


def reminder(known: Standing) -> Reminder | None:
    """The next reminder or expiry notice (S-52, Q20); None for short terms (Q18) and open ends."""
    period = known.renewing
    end = known.history.renewal_point(period) if period else None
    if period is None or end is None or is_short(period.plan.term):
        return None
    policy = known.policy(period.policy_version)
    lead_at = unpaused(known, max(end - policy.renewal_reminder_lead, period.begins))
    will = known.history.effective_wills[-1]
    if will.auto_renew:
        charge_on = noticed_charge_at(known, period, end) if policy.charge == "by_us" else None
        return Reminder(period, end, unpaused(known, max(lead_at, will.at)), True, charge_on)
    if will.at > lead_at or known.stage(lead_at) is None:
        return None
    return Reminder(period, end, lead_at, False, None)


def late_reminder(known: Standing, cause_id: UUID, now: datetime) -> facts.RemindedLate | None:
    """The verdict that a reminder goes out only when its charge is due, which moves that (Q19).

    So it is after a downtime, when the payment is told late, or renewal is switched on again late.
    """
    due = reminder(known)
    if due is None or due.charge_on is None or due.at >= due.end or now < due.charge_on:
        return None
    if due.at > now or any(item.key == due.key for item in known.subscription.said):
        return None
    return facts.RemindedLate(
        fact_id=effect_id(cause_id, "billing", f"reminded-late:{due.period.period_id}"),
        at=now,
        renews=due.period.period_id,
        end=due.end,
    )
