"""What billing says about renewals: reminders, expiry notices, charges asked for and withdrawn."""

from collections.abc import Iterator
from datetime import datetime
from functools import partial

from contracts import billing, payments
from contracts.base import Data
from services.billing.domain import facts
from services.billing.domain.announcement import Announcement
from services.billing.domain.renewals import Reminder, reminder
from services.billing.domain.standing import Standing


def renewal_announcements(known: Standing) -> Iterator[Announcement]:
    """The charges that were decided, and the next reminder or expiry notice (S-52, Q20)."""
    for fact in known.subscription.facts:
        if isinstance(fact, facts.ChargeRequested):
            yield Announcement(f"charge:{fact.charge_id}", fact.at, partial(_charge, known, fact))
        elif isinstance(fact, facts.ChargeWithdrawn):
            yield Announcement(
                f"withdrawn:{fact.charge_id}", fact.at, partial(_withdrawn, known, fact)
            )
    due = reminder(known)
    if due is None or due.period.end is None or due.at >= due.period.end:
        return
    key = f"{due.period.period_id} {due.period.end.isoformat()}"
    if due.renews:
        yield Announcement(
            f"reminder:{key}", due.at, partial(_reminder, known, due, due.period.end)
        )
    else:
        yield Announcement(f"expiry-notice:{key}", due.at, partial(_notice, due, due.period.end))


def _reminder(known: Standing, due: Reminder, end: datetime) -> tuple[Data, ...]:
    order = known.latest_order
    if order is None:
        raise ValueError("a period without an order")
    return (
        billing.RenewalReminderDue(
            fact_id=due.period.fact_id,
            effective_at=due.at,
            renews=due.period.period_id,
            end=end,
            plan=order.plan,
            amount=order.amount,
            auto_charge=True,
            charge_on=due.charge_on,
        ),
    )


def _notice(due: Reminder, end: datetime) -> tuple[Data, ...]:
    return (
        billing.ExpiryNoticeDue(
            fact_id=due.period.fact_id,
            effective_at=due.at,
            renews=due.period.period_id,
            end=end,
        ),
    )


def _charge(known: Standing, fact: facts.ChargeRequested) -> tuple[Data, ...]:
    requested = billing.RenewalChargeRequested(
        fact_id=fact.fact_id, effective_at=fact.at, charge_id=fact.charge_id, renews=fact.renews
    )
    asked = payments.ChargeRequested(
        charge_id=fact.charge_id,
        subscription_id=known.subscription.subscription_id,
        renews=fact.renews,
        period=fact.period,
        amount=fact.amount,
        charge_by=fact.charge_by,
    )
    if fact.waived is None:
        return (requested, asked)
    waived = billing.ReminderWaived(
        fact_id=fact.fact_id, effective_at=fact.at, renews=fact.renews, reason=fact.waived
    )
    return (waived, requested, asked)


def _withdrawn(known: Standing, fact: facts.ChargeWithdrawn) -> tuple[Data, ...]:
    return (
        billing.RenewalChargeWithdrawn(
            fact_id=fact.fact_id,
            effective_at=fact.at,
            charge_id=fact.charge_id,
            renews=fact.renews,
            reason=fact.reason,
        ),
        payments.ChargeWithdrawn(
            charge_id=fact.charge_id,
            subscription_id=known.subscription.subscription_id,
            reason=fact.reason,
        ),
    )
