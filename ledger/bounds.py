"""Where a newly paid period lies: given, after the last one, or from now (Q3, S-14b, T14)."""

from dataclasses import dataclass
from datetime import datetime

from contracts.billing import Basis
from ledger.calendar import end_of, possible_end
from ledger.history import History, PaidPeriod


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where a newly paid period lies, and what its successors count from."""

    start: datetime
    end: datetime | None
    basis: Basis
    anchor: datetime
    step: int


def bounds_from_end(history: History, previous: PaidPeriod, term: str, tz: str) -> Bounds:
    """The period after `previous`, from its end, or from the end of a pause there (S-10, S-14b, Q17).

    Raises ValueError when `previous` is unlimited.
    """
    start = history.renewal_point(previous)
    if start is None:
        raise ValueError("an unlimited period has no successor")
    chained = previous.plan.term == term and not previous.shift and start == previous.end
    anchor, step = (previous.anchor, previous.step + 1) if chained else (start, 1)
    return Bounds(start, end_of(anchor, term, step, tz), "from_end", anchor, step)


def bounds_from(start: datetime, term: str, tz: str) -> Bounds:
    """A period that starts a new chain at `start` (T14, T27)."""
    return Bounds(start, end_of(start, term, 1, tz), "from_now", start, 1)


def bounds_given(start: datetime, end: datetime | None, term: str, tz: str) -> Bounds:
    """The period that upstream gave; its successors count from a given end that is not the term's (Q3, S-09)."""
    whole = end_of(start, term, 1, tz)
    if end is None or end == whole:
        return Bounds(start, whole, "given", start, 1)
    return Bounds(start, possible_end(end), "given", end, 0)


def overlap(one: Bounds | PaidPeriod, other: Bounds | PaidPeriod) -> bool:
    """Whether two spans of paid time share an instant."""
    return (other.end is None or one.start < other.end) and (
        one.end is None or other.start < one.end
    )
