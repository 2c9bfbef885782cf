"""What billing says about the customer's will: cancellations, their date, their withdrawal (S-37 to S-39)."""

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from uuid import UUID

from contracts import billing
from contracts.base import Data
from ledger.endings import deadlines
from services.billing.domain import facts
from services.billing.domain.announcement import Announcement
from services.billing.domain.handover import overdue_key
from services.billing.domain.refund_window import refund_until
from services.billing.domain.standing import Standing


def will_announcements(known: Standing) -> Iterator[Announcement]:
    """Every cancellation that had an effect, with the date it names, and every withdrawal."""
    wills = known.history.effective_wills
    told = {fact.fact_id: fact for fact in known.subscription.facts}
    for before, will in zip((None, *wills), wills, strict=False):
        match told.get(will.fact_id):
            case facts.Canceled() as fact:
                yield _cancellation(known, fact, current=will is wills[-1])
            case facts.Uncanceled() as fact if before:
                withdrawn = partial(_uncanceled, fact, before.fact_id)
                yield Announcement(f"uncanceled:{fact.fact_id}", fact.at, withdrawn)


def _cancellation(known: Standing, fact: facts.Canceled, current: bool) -> Announcement:
    """A cancellation and the date it names, which is corrected while it is in force."""
    ends = _ends_at(known, fact)
    return Announcement(
        f"canceled:{fact.fact_id}",
        fact.at,
        partial(_canceled, known, fact, ends),
        value=ends.isoformat() if ends else "-",
        correction=partial(_date_changed, fact, ends) if current and ends else None,
        corrects=tuple(
            overdue_key(handed)
            for handed in known.handed_over
            if handed.at <= fact.at < handed.expected_by
        ),
    )


def _ends_at(known: Standing, fact: facts.Canceled) -> datetime | None:
    """When access ends by a cancellation: in grace at once, or with the grace (S-39, Q15)."""
    last = known.renewing
    due = deadlines(known.history, known.policy(last.policy_version), last) if last else None
    if last is None or due is None or fact.at < due.paid_end:
        return known.history.paid_through
    policy = known.policy(last.policy_version)
    return fact.at if policy.cancel_in_grace == "end_now" else max(fact.at, due.grace_end)


def _canceled(known: Standing, fact: facts.Canceled, ends: datetime | None) -> tuple[Data, ...]:
    last = known.renewing
    until = refund_until(known, last) if last and not known.case_of_order(last.order_id) else None
    refundable = (
        billing.Refundable(order_id=last.order_id, until=until)
        if last and until and fact.at < until
        else None
    )
    return (
        billing.CancellationScheduled(
            fact_id=fact.fact_id,
            effective_at=fact.at,
            cancellation_id=fact.fact_id,
            cancel_at=ends,
            channel=fact.channel,
            reason=fact.reason,
            refundable=refundable,
        ),
    )


def _date_changed(fact: facts.Canceled, ends: datetime | None, old: str, event_id: UUID) -> Data:
    return billing.CancellationDateChanged(
        fact_id=fact.fact_id,
        effective_at=fact.at,
        corrects=(event_id,),
        cancellation_id=fact.fact_id,
        old=datetime.fromisoformat(old) if old != "-" else None,
        new=ends,
    )


def _uncanceled(fact: facts.Uncanceled, cancellation_id: UUID) -> tuple[Data, ...]:
    return (
        billing.CancellationWithdrawn(
            fact_id=fact.fact_id, effective_at=fact.at, cancellation_id=cancellation_id
        ),
    )
