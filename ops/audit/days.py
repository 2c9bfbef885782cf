"""Invariant 7: pause and resume conserve days. A period is as long as its term, and as it was frozen."""

from datetime import datetime, timedelta
from uuid import UUID

from ledger.calendar import end_of
from ledger.history import History, PaidPeriod
from ops.audit.dossier import Dossier
from ops.audit.findings import Notes
from services.billing.domain import facts
from services.billing.domain.standing import Standing


def pauses_conserve(dossier: Dossier, notes: Notes) -> None:
    """7: a period is longer than its term by exactly the time for which it was frozen, and by goodwill."""
    if dossier.history is None or not dossier.facts:
        return
    known = dossier.known
    given = _goodwill(known)
    for period in dossier.history.counting:
        own, nominal = known.period(period.period_id), _nominal(known, period.period_id)
        if own is None or nominal is None or period.end is None:
            continue
        if any(p.end is None and p.begins < period.end for p in dossier.history.counting):
            continue  # beside an open period no day is lost
        notes.saw()
        frozen = _frozen(dossier.history, period.start, period.end)
        expected = frozen + given.get(period.period_id, timedelta(0))
        start, end = nominal
        longer = (period.end - end) - (period.start - start)
        if longer != expected:
            notes.wrong(
                "DAYS_NOT_CONSERVED",
                f"The period of order {period.order_id} was frozen or extended for {expected}, "
                f"but is longer than its term by {longer}.",
                at=(period.start, period.end),
                events=[m for m in dossier.billing if _about(m.data, period.period_id)],
            )


def _nominal(known: Standing, wanted: UUID) -> tuple[datetime, datetime] | None:
    """Where a limited period lies by the calendar alone; None when that cannot be told from outside."""
    period = known.period(wanted)
    if period is None or period.end is None:
        return None
    if period.step == 0:
        paid = next(f for f in known.subscription.facts if f.fact_id == period.fact_id)
        given = paid.given if isinstance(paid, facts.Paid) else None
        return (given.start, given.end) if given and given.end else None
    zones = {order.billing_tz for order in known.orders.values()}
    if len(zones) != 1:
        return None  # a chain may count in the zone of an earlier order
    tz = zones.pop()
    start = _calendar(period, period.step - 1, tz) if period.step > 1 else period.anchor
    end = _calendar(period, period.step, tz)
    return (start, end) if start and end else None


def _calendar(period: PaidPeriod, step: int, tz: str) -> datetime | None:
    return end_of(period.anchor, period.plan.term, step, tz)


def _frozen(history: History, start: datetime, end: datetime) -> timedelta:
    """For how long freezing pauses stopped the clock between two instants."""
    total = timedelta(0)
    for span in history.pause_spans():
        if span.pause.mode == "freeze_term":
            total += max(min(span.end, end) - max(span.start, start), timedelta(0))
    return total


def _goodwill(known: Standing) -> dict[UUID, timedelta]:
    """By period: the days that operators gave it. What lies behind it moves, but is no longer."""
    found: dict[UUID, timedelta] = {}
    for fact in known.subscription.facts:
        if isinstance(fact, facts.Extended):
            moved = [
                period
                for period in known.history.periods
                if any(
                    move.fact_id == fact.fact_id for move in known.moves.get(period.period_id, ())
                )
            ]
            first = min(moved, key=lambda period: period.start, default=None)
            if first:
                before = found.get(first.period_id, timedelta(0))
                found[first.period_id] = before + timedelta(days=fact.days)
    return found


def _about(data: object, wanted: UUID) -> bool:
    return getattr(data, "period_id", None) == wanted
