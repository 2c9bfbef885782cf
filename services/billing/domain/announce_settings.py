"""What billing says about settings: which are others, and from when (S-01, Q25, Q26)."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from contracts import billing
from contracts.base import Data
from services.billing.domain.announcement import Announcement
from services.billing.domain.settings import rest_effective, seats_effective
from services.billing.domain.standing import Change, Standing


def settings_announcements(known: Standing) -> Iterator[Announcement]:
    """One event for the seats of a change and one for the rest: they count from different instants.

    What repeats the settings as they are is not told, unless it was before an older change arrived.
    """
    if not known.changes:
        return
    latest, said = known.latest_order, {item.key for item in known.subscription.said}
    for change in known.changes:
        seats_key, rest_key = f"seats:{change.fact.fact_id}", f"settings:{change.fact.fact_id}"
        seats = _seats(change, told=seats_key in said)
        rest = _rest(change, told=rest_key in said)
        if seats:
            at = seats_effective(known, change)
            yield _announcement(seats_key, change, at, seats, current=True)
        if rest:
            at = rest_effective(known, change)
            # What a later order replaced before it was paid with never counts, whatever moves.
            current = change.paid_with is not None or (
                latest is not None and latest.order_id == change.order_id
            )
            yield _announcement(rest_key, change, at, rest, current)


def _seats(change: Change, told: bool) -> dict[str, Any]:
    seats = change.fact.seats
    return {"seats": seats} if seats and (told or seats != change.before.seats) else {}


def _rest(change: Change, told: bool) -> dict[str, Any]:
    fact, before = change.fact, change.before
    settings = {
        "term": (fact.term, before.term),
        "product_id": (fact.product_id, before.product_id),
        "amount": (fact.amount, change.price_before),
    }
    return {name: new for name, (new, old) in settings.items() if new and (told or new != old)}


def _announcement(
    key: str, change: Change, at: datetime, changed: dict[str, Any], current: bool
) -> Announcement:
    def event(corrects: tuple[UUID, ...] | None = None) -> Data:
        return billing.SettingsChanged(
            fact_id=change.fact.fact_id, effective_at=at, corrects=corrects, **changed
        )

    return Announcement(
        key,
        change.fact.at,
        lambda: (event(),),
        value=at.isoformat(),
        correction=(lambda old, event_id: event((event_id,))) if current else None,
    )
