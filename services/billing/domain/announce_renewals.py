"""What billing says about renewals: reminders, expiry notices, charges asked for and withdrawn."""

from collections.abc import Iterator
from functools import partial

from contracts import billing, payments
from contracts.base import Data
from services.billing.domain import facts
from services.billing.domain.announcement import Announcement
from services.billing.domain.reminders import Reminder, reminder
from services.billing.domain.settings import terms_in_force
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
    if due is None or due.at >= due.end:
        return
    messages = partial(_reminder, known, due) if due.renews else partial(_notice, due)
    yield Announcement(due.key, due.at, messages)


def _reminder(known: Standing, due: Reminder) -> tuple[Data, ...]:
    terms = terms_in_force(known)
    if terms is None:
        raise ValueError("a period without an order")
    return (
        billing.RenewalReminderDue(
            fact_id=due.period.fact_id,
            effective_at=due.at,
            renews=due.period.period_id,
            end=due.end,
            plan=terms.plan,
            amount=terms.amount,
            auto_charge=True,
            charge_on=due.charge_on,
        ),
    )


def _notice(due: Reminder) -> tuple[Data, ...]:
    return (
        billing.ExpiryNoticeDue(
            fact_id=due.period.fact_id,
            effective_at=due.at,
            renews=due.period.period_id,
            end=due.end,
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
