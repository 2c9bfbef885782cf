"""What billing says about paid periods that are taken away without our asking, or given back (Q11, Q16)."""

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from uuid import UUID

from contracts import billing
from contracts.base import Data
from ledger.history import PaidPeriod, Taken
from services.billing.domain.announcement import Announcement
from services.billing.domain.standing import Case, Standing


def taking_announcements(known: Standing) -> Iterator[Announcement]:
    """What lost disputes and late settlements took away, and what counts again."""
    lost = {loss.fact_id for loss in known.losses.values()}
    said = {item.key: item.value for item in known.subscription.said}
    for period in known.history.periods:
        for taken in period.takings:
            if taken.fact_id in lost:
                yield ending_announcement(known, period, taken)
            key = f"reinstated:{taken.fact_id}"
            back = taken.reinstated_at
            if key in said and (back is None or _moved_past(said, known, period, key, back)):
                yield _away_after_all(known, period, taken, key)
            if back:
                yield _reinstatement(known, period, taken, key, back)


def ending_announcement(known: Standing, period: PaidPeriod, taken: Taken) -> Announcement:
    """That a period ends or will not start; it corrects what was told of takings that count no more."""
    return Announcement(
        f"taken:{taken.fact_id}",
        taken.at,
        lambda: (_ending(known, period, taken, None),),
        displaces=_displaced(known, period),
    )


def _displaced(known: Standing, period: PaidPeriod) -> tuple[str, ...]:
    """The keys of what was told of takings before which the period turned out to be away already."""
    losses = (loss.fact_id for loss in known.losses.values() if loss.order_id == period.order_id)
    refunds = (
        case.approved.fact_id
        for case in known.cases.values()
        if case.approved and case.order_id == period.order_id
    )
    taking = {taken.fact_id for taken in period.takings}
    gone = [fact_id for fact_id in (*losses, *refunds) if fact_id not in taking]
    return tuple(f"{kind}:{fact_id}" for fact_id in gone for kind in ("taken", "reinstated"))


def _ending(
    known: Standing, period: PaidPeriod, taken: Taken, corrects: tuple[UUID, ...] | None
) -> Data:
    kind = billing.PeriodVoided if taken.upcoming else billing.PeriodRevoked
    return _event(known, kind, period, taken, taken.fact_id, taken.at, corrects)


def _moved_past(
    said: dict[str, str], known: Standing, period: PaidPeriod, key: str, back: datetime
) -> bool:
    """Whether a reinstatement was told for an earlier instant, and then takings that it now lies behind."""
    earlier = bool(said[key]) and datetime.fromisoformat(said[key]) < back
    return earlier and any(other in said for other in _displaced(known, period))


def _away_after_all(known: Standing, period: PaidPeriod, taken: Taken, key: str) -> Announcement:
    """That what was told as reinstated does not count: then, or at all, the money was not ours."""
    return Announcement(
        key,
        taken.at,
        tuple,
        correction=lambda _, id: _ending(known, period, taken, (id,)),
        displaces=_displaced(known, period),
    )


def _reinstatement(
    known: Standing, period: PaidPeriod, taken: Taken, key: str, at: datetime
) -> Announcement:
    """That it counts again."""
    by = known.given_back.get(taken.fact_id, taken.fact_id)
    again = partial(_event, known, billing.PeriodReinstated, period, taken, by, at)
    return Announcement(
        key,
        at,
        lambda: (again(None),),
        value=at.isoformat(),
        correction=lambda _, id: again((id,)),
    )


def _event(
    known: Standing,
    kind: type[billing.PeriodEnding],
    period: PaidPeriod,
    taken: Taken,
    fact_id: UUID,
    at: datetime,
    corrects: tuple[UUID, ...] | None,
) -> Data:
    case = _case(known, taken)
    return kind(
        fact_id=fact_id,
        effective_at=at,
        corrects=corrects,
        period_id=period.period_id,
        ordinal=period.ordinal,
        order_id=period.order_id,
        start=period.start,
        end=period.end,
        requested_at=case.requested_at if case else None,
        reason=taken.reason,
        case_id=case.case_id if case else None,
        auto_renew=False,
    )


def _case(known: Standing, taken: Taken) -> Case | None:
    """The refund case by which a period was taken away; a lost dispute has none."""
    for case in known.cases.values():
        if case.approved and case.approved.fact_id == taken.fact_id:
            return case
    for loss in known.losses.values():
        if loss.fact_id == taken.fact_id and loss.case_id:
            return known.cases.get(loss.case_id)
    return None
