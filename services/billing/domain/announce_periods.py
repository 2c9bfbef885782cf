"""What billing says about paid periods: that one was bought, and where it lies when that changes."""

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from uuid import UUID

from contracts import billing
from contracts.base import Data
from ledger.history import PaidPeriod
from services.billing.domain.announcement import Announcement
from services.billing.domain.refund_window import refund_until
from services.billing.domain.standing import Move, Standing


def period_announcements(known: Standing, period: PaidPeriod) -> Iterator[Announcement]:
    """A period as it was bought, where it lies when it is reordered, and its plan when that was another."""
    key = _key(period)
    if _moved_by(known, period) is None:
        yield _bounds(known, period, period.paid_at)
    yield Announcement(
        f"plan:{period.period_id}",
        period.paid_at,
        lambda: (),  # it was told with the period
        value=f"{period.plan.product_id} {period.plan.term} {period.plan.seats}",
        correction=lambda old, event_id: _scheduled(known, period, corrects=_told(known, key)),
    )


def shift_announcements(known: Standing) -> Iterator[Announcement]:
    """The periods that were told and that a pause or goodwill moved since, as of when it did."""
    for period in known.history.periods:
        move = _moved_by(known, period)
        if move:
            yield _bounds(known, period, move.at)


def _key(period: PaidPeriod) -> str:
    return f"period:{period.period_id}"


def _bounds(known: Standing, period: PaidPeriod, at: datetime) -> Announcement:
    end = period.end.isoformat() if period.end else "-"
    moves = known.moves.get(period.period_id, ())
    told = (str(period.ordinal), period.start.isoformat(), end, *map(str, moves))
    return Announcement(
        _key(period),
        at,
        lambda: (_scheduled(known, period),),
        value=" ".join(told),
        correction=partial(_shifted, period, moves),
    )


def _moved_by(known: Standing, period: PaidPeriod) -> Move | None:
    """What moved the period since it was told."""
    moves = known.moves.get(period.period_id, ())
    if not moves:
        return None
    key = _key(period)
    told = next((item.value for item in known.subscription.said if item.key == key), None)
    return _last_change(moves, told.split(" ")[3:]) if told else None


def _told(known: Standing, key: str) -> UUID | None:
    return next((item.event_id for item in known.subscription.said if item.key == key), None)


def _shifted(period: PaidPeriod, moves: tuple[Move, ...], old: str, event_id: UUID) -> Data:
    ordinal, start, end, *told_moves = old.split(" ")
    move = _last_change(moves, told_moves)
    told = billing.PeriodBounds(
        ordinal=int(ordinal),
        start=datetime.fromisoformat(start),
        end=datetime.fromisoformat(end) if end != "-" else None,
    )
    goodwill = move is not None and move.reason == "goodwill"
    return billing.PeriodShifted(
        fact_id=move.fact_id if move and goodwill else period.fact_id,
        effective_at=move.at if move else period.paid_at,
        corrects=(event_id,),
        period_id=period.period_id,
        old=told,
        new=billing.PeriodBounds(ordinal=period.ordinal, start=period.start, end=period.end),
        reason=move.reason if move else "reordered",
    )


def _last_change(moves: tuple[Move, ...], told: list[str]) -> Move | None:
    """The latest thing that moved the period and was not told yet."""
    return next((move for move in reversed(moves) if str(move) not in told), None)


def _scheduled(known: Standing, period: PaidPeriod, corrects: UUID | None = None) -> Data:
    return billing.PeriodScheduled(
        fact_id=period.fact_id,
        effective_at=period.paid_at,
        corrects=(corrects,) if corrects else None,
        period_id=period.period_id,
        ordinal=period.ordinal,
        order_id=period.order_id,
        kind=period.kind,
        amount=period.amount,
        ordered_at=period.ordered_at,
        start=period.start,
        end=period.end,
        basis=period.basis,
        plan=period.plan,
        provider_id=known.subscription.provider_id,
        policy_version=period.policy_version,
        refund_until=refund_until(known, period),
    )
