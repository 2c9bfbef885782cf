"""Renewals: when the charge is due, and when it is withdrawn."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from contracts.envelope import effect_id
from contracts.policy import ProviderPolicy
from contracts.values import Interval, WithdrawalReason
from ledger.bounds import bounds_from_end
from ledger.calendar import is_short, nominal
from ledger.endings import GAP_AT_MOST
from ledger.history import PaidPeriod
from services.billing.domain import facts
from services.billing.domain.pauses import open_pause
from services.billing.domain.settings import terms_in_force
from services.billing.domain.standing import Charge, Standing


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


def charge_at(known: Standing, period: PaidPeriod, end: datetime) -> datetime:
    """When the renewal at `end` is charged: a lead ahead, but not while paid time is paused (S-34, Q17)."""
    lead = charge_lead(known.policy(period.policy_version), period)
    return unpaused(known, max(end - lead, period.begins))


def noticed_charge_at(known: Standing, period: PaidPeriod, end: datetime) -> datetime:
    """When it is charged before its reminder is proven: a late one still gives notice, up to the end (Q19)."""
    at = charge_at(known, period, end)
    late = known.reminded_late.get((period.period_id, end))
    notice = known.policy(period.policy_version).reminder_min_notice
    return max(at, min(late + notice, end)) if late else at


def unpaused(known: Standing, instant: datetime) -> datetime:
    """The instant, or the end of a pause at it; one between two periods has its own renewal (Q17)."""
    for span in sorted(known.history.pause_spans(), key=lambda span: span.start):
        if span.pause.follows is None and span.covers(instant):
            instant = span.end
    return instant


def due_charge(known: Standing, now: datetime) -> DueCharge | None:
    """The next charge (S-33, S-34): once per period (Q4), not while a refund or dispute is open (Q16).

    A charge that was withdrawn for a reason that has passed is asked for again. Where a charge waits
    for a proven reminder, waiting ends where the next period has to follow (Q19).
    """
    period = known.renewing
    end = known.history.renewal_point(period) if period else None
    if period is None or end is None:
        return None
    if any(c.asked.renews == period.period_id and not c.again for c in known.charges.values()):
        return None
    policy = known.policy(period.policy_version)
    will = known.history.will_before(end)
    if policy.charge != "by_us" or not known.history.auto_renew or not (will and will.auto_renew):
        return None
    if known.dispute_open or any(case.is_open for case in known.cases.values()):
        return None
    at = charge_at(known, period, end)
    accepted = known.proofs.get((period.period_id, end))
    waived: Literal["short_term", "unproven"] | None = None
    if is_short(period.plan.term):
        waived = "short_term"
    elif accepted is None:
        waived = "unproven"
        at = end if policy.unproven_reminder == "wait" else noticed_charge_at(known, period, end)
    else:
        at = max(at, min(accepted + policy.reminder_min_notice, end))
    return DueCharge(period, unpaused(known, max(at, now)), waived)


def request_charge(
    known: Standing, due: DueCharge, cause_id: UUID, now: datetime
) -> facts.ChargeRequested | None:
    """The verdict to charge; None when the period can no longer be recovered by it."""
    terms = terms_in_force(known)
    if terms is None or now >= recoverable_until(known, due.period):
        return None
    bounds = bounds_from_end(known.history, due.period, terms.plan.term, terms.billing_tz)
    name = f"charge:{due.period.period_id}"
    return facts.ChargeRequested(
        fact_id=effect_id(cause_id, "billing", name),
        at=now,
        charge_id=effect_id(cause_id, "billing", f"{name}:id"),
        renews=due.period.period_id,
        period=Interval(start=bounds.start, end=bounds.end),
        plan=terms.plan,
        amount=terms.amount,
        charge_by=charge_by(known, due.period),
        waived=due.waived,
    )


def recoverable_until(known: Standing, period: PaidPeriod) -> datetime:
    """The end of grace and hold after a limited period, until when a payment recovers it.

    Raises ValueError for an unlimited period.
    """
    end = known.history.renewal_point(period)
    if end is None:
        raise ValueError("an unlimited period does not end")
    policy = known.policy(period.policy_version)
    return end + policy.grace + policy.hold


def charge_by(known: Standing, period: PaidPeriod) -> datetime:
    """Until when a charge may be answered: while it recovers, or the day that access waits for it (Q4, Q7)."""
    until = recoverable_until(known, period)
    policy = known.policy(period.policy_version)
    return until if policy.grace else max(until, until - policy.hold + GAP_AT_MOST)


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


def _unwanted(known: Standing, charge: Charge, now: datetime) -> WithdrawalReason | None:
    renewed = known.period(charge.asked.renews)
    if renewed is None:
        return None
    if renewed.is_away:
        return "refunded"
    last = known.renewing
    if last is not None and last.ordinal > renewed.ordinal:
        return "paid_otherwise"
    if not known.history.auto_renew:
        will = known.history.effective_wills[-1]
        return "refunded" if will.reason == "refunded" else "canceled"
    if known.dispute_open:
        return "dispute"
    if any(case.waits for case in known.cases.values()):
        return "refunded"
    if open_pause(known, now) and _charged_later(known, renewed, now):
        return "paused"
    return "ended" if now >= charge.asked.charge_by else None


def _charged_later(known: Standing, renewed: PaidPeriod, now: datetime) -> bool:
    end = known.history.renewal_point(renewed)
    return end is not None and unpaused(known, max(charge_at(known, renewed, end), now)) > now
