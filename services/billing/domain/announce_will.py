"""What billing says about the customer's will: cancellations, their date, their withdrawal (S-37 to S-39)."""

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from uuid import UUID

from contracts import billing
from contracts.base import Data
from services.billing.domain import facts
from services.billing.domain.announcement import Announcement
from services.billing.domain.refund_window import refund_until
from services.billing.domain.standing import Standing


def will_announcements(known: Standing) -> Iterator[Announcement]:
    """Every cancellation that had an effect, with the date it names, and every withdrawal."""
    through = known.history.paid_through
    current = known.history.effective_wills[-1].fact_id
    for fact in known.effective_cancellations:
        ends = max(through, fact.at) if through else None
        moved = partial(_date_changed, fact, ends) if fact.fact_id == current and ends else None
        yield Announcement(
            f"canceled:{fact.fact_id}",
            fact.at,
            partial(_canceled, known, fact, ends),
            value=ends.isoformat() if ends else "-",
            correction=moved,
        )
    for uncanceled, cancellation_id in known.effective_withdrawals:
        yield Announcement(
            f"uncanceled:{uncanceled.fact_id}",
            uncanceled.at,
            partial(_uncanceled, uncanceled, cancellation_id),
        )


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
