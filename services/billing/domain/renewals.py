"""Renewals: when the reminder, the expiry notice and the charge are due, and when a charge is withdrawn."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from contracts.envelope import effect_id
from contracts.policy import ProviderPolicy
from contracts.values import Interval
from ledger.bounds import bounds_from_end
from ledger.calendar import is_short, nominal
from ledger.history import PaidPeriod
from services.billing.domain import facts
from services.billing.domain.standing import Charge, Standing

Withdrawal = Literal["canceled", "paid_otherwise", "refunded", "ended"]


@dataclass(frozen=True, slots=True)
class Reminder:
    """The reminder, or the expiry notice when renewal is off, of the period that ends next."""

    period: PaidPeriod
    at: datetime
    renews: bool
    charge_on: datetime | None


@dataclass(frozen=True, slots=True)
class DueCharge:
    """The charge for the period after `period`; `waived`: why it needs no proven reminder (Q18, Q19)."""

    period: PaidPeriod
    at: datetime
    waived: Literal["short_term", "unproven"] | None = None


def charge_lead(policy: ProviderPolicy, period: PaidPeriod) -> timedelta:
    """How long before the end a renewal is charged: a quarter of a short term (S-34, Q18)."""
    term = nominal(period.plan.term)
    if term is not None and is_short(period.plan.term):
        return min(policy.renewal_charge_lead, term / 4)
    return policy.renewal_charge_lead


def reminder(known: Standing) -> Reminder | None:
    """The next reminder or expiry notice (S-52, Q20); None for short terms (Q18) and open ends."""
    period = known.renewing
    if period is None or period.end is None or is_short(period.plan.term):
        return None
    policy = known.policy(period.policy_version)
    lead_at = max(period.end - policy.renewal_reminder_lead, period.begins)
    will = known.history.effective_wills[-1]
    if will.auto_renew:
        by_us = policy.charge == "by_us"
        charge_on = period.end - charge_lead(policy, period) if by_us else None
        return Reminder(period, max(lead_at, will.at), True, charge_on)
    if will.at > lead_at or known.stage(lead_at) is None:
        return None
    return Reminder(period, lead_at, False, None)


def due_charge(known: Standing) -> DueCharge | None:
    """The next charge (S-34): once per period (Q4), not while a refund is open (Q16).

    A charge that was withdrawn by a cancellation is asked for again when renewal is back on.
    """
    period = known.renewing
    if period is None or period.end is None:
        return None
    if any(c.asked.renews == period.period_id and not c.canceled for c in known.charges.values()):
        return None
    policy = known.policy(period.policy_version)
    will = known.history.will_before(period.end)
    if policy.charge != "by_us" or not known.history.auto_renew or not (will and will.auto_renew):
        return None
    if any(case.is_open for case in known.cases.values()):
        return None
    at = max(period.end - charge_lead(policy, period), period.begins)
    if is_short(period.plan.term):
        return DueCharge(period, at, "short_term")
    accepted = known.proofs.get((period.period_id, period.end))
    if accepted is None:
        wait = policy.unproven_reminder == "wait"
        return None if wait else DueCharge(period, at, "unproven")
    noticed = min(accepted + policy.reminder_min_notice, period.end)
    return DueCharge(period, max(at, noticed))


def request_charge(
    known: Standing, due: DueCharge, cause_id: UUID, now: datetime
) -> facts.ChargeRequested | None:
    """The verdict to charge; None when the period can no longer be recovered by it."""
    order = known.latest_order
    charge_by = recoverable_until(known, due.period)
    if order is None or now >= charge_by:
        return None
    bounds = bounds_from_end(known.history, due.period, order.plan.term, order.billing_tz)
    name = f"charge:{due.period.period_id}"
    return facts.ChargeRequested(
        fact_id=effect_id(cause_id, "billing", name),
        at=now,
        charge_id=effect_id(cause_id, "billing", f"{name}:id"),
        renews=due.period.period_id,
        period=Interval(start=bounds.start, end=bounds.end),
        amount=order.amount,
        charge_by=charge_by,
        waived=due.waived,
    )


def recoverable_until(known: Standing, period: PaidPeriod) -> datetime:
    """The end of grace and hold after a limited period, until when a payment recovers it."""
    if period.end is None:
        raise ValueError("an unlimited period does not end")
    policy = known.policy(period.policy_version)
    return period.end + policy.grace + policy.hold


def withdrawals(known: Standing, cause_id: UUID, now: datetime) -> list[facts.ChargeWithdrawn]:
    """The open charges that are no longer wanted (Q4, S-37)."""
    found: list[facts.ChargeWithdrawn] = []
    for charge in known.charges.values():
        reason = _unwanted(known, charge, now) if charge.open else None
        if reason:
            found.append(
                facts.ChargeWithdrawn(
                    fact_id=effect_id(cause_id, "billing", f"withdrawn:{charge.asked.charge_id}"),
                    at=now,
                    charge_id=charge.asked.charge_id,
                    renews=charge.asked.renews,
                    reason=reason,
                )
            )
    return found


def _unwanted(known: Standing, charge: Charge, now: datetime) -> Withdrawal | None:
    renewed = known.period(charge.asked.renews)
    if renewed is None:
        return None
    if renewed.taken and not renewed.taken.reinstated_at:
        return "refunded"
    last = known.renewing
    if last is not None and last.ordinal > renewed.ordinal:
        return "paid_otherwise"
    if not known.history.auto_renew:
        will = known.history.effective_wills[-1]
        return "refunded" if will.reason == "refunded" else "canceled"
    return "ended" if now >= charge.asked.charge_by else None
