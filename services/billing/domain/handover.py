"""Cancellations that end on the provider's own page: pending until the provider tells of them (S-59)."""

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from uuid import UUID

from contracts import billing
from contracts.base import Data
from contracts.policy import ProviderPolicy
from contracts.values import Channel
from services.billing.domain import facts
from services.billing.domain.announcement import Announcement
from services.billing.domain.refusal import Refusal, Verdict, management_link
from services.billing.domain.standing import Standing


def hand_over(
    fact_id: UUID, channel: Channel, policy: ProviderPolicy, known: Standing, now: datetime
) -> Verdict:
    """Pass the customer on to the provider's page; nothing else changes."""
    for handed in known.handed_over:
        if now < handed.expected_by and _off_at(known, handed) is None:
            sentence = "The cancellation was begun: finish it at the provider, use the link."
            return Refusal("CANCELLATION_PENDING", sentence, link=management_link(known))
    expected_by = now + policy.cancel_handover_within
    return (facts.HandedOver(fact_id=fact_id, at=now, channel=channel, expected_by=expected_by),)


def handover_announcements(known: Standing) -> Iterator[Announcement]:
    """Each time a customer was passed on, and that the provider did not confirm it in time."""
    for handed in known.handed_over:
        yield Announcement(
            f"handed-over:{handed.fact_id}", handed.at, partial(_told, known, handed)
        )
        off_at, stage = _off_at(known, handed), known.stage(handed.expected_by)
        ended = stage is not None and stage.status == "expired"
        if not ended and (off_at is None or off_at >= handed.expected_by):
            yield Announcement(
                overdue_key(handed), handed.expected_by, partial(_overdue, known, handed)
            )


def overdue_key(handed: facts.HandedOver) -> str:
    """The key under which it is said that the provider did not confirm."""
    return f"handover-overdue:{handed.fact_id}"


def _off_at(known: Standing, handed: facts.HandedOver) -> datetime | None:
    """When automatic renewal was found to be off after the customer was passed on."""
    before = known.history.will_before(handed.at)
    if before and not before.auto_renew:
        return handed.at
    wills = known.history.effective_wills
    return next((w.at for w in wills if w.at >= handed.at and not w.auto_renew), None)


def _told(known: Standing, handed: facts.HandedOver) -> tuple[Data, ...]:
    return (
        billing.CancellationPendingAtProvider(
            fact_id=handed.fact_id,
            effective_at=handed.at,
            channel=handed.channel,
            link=management_link(known),
            expected_by=handed.expected_by,
        ),
    )


def _overdue(known: Standing, handed: facts.HandedOver) -> tuple[Data, ...]:
    return (
        billing.CancellationOverdueAtProvider(
            fact_id=handed.fact_id,
            effective_at=handed.expected_by,
            link=management_link(known),
            pending_since=handed.at,
        ),
    )
