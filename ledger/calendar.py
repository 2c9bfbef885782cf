"""Calendar arithmetic: terms are calendar steps in the billing time zone, spans are exact durations (3e)."""

from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from contracts.errors import Impossible

UNLIMITED = "unlimited"
#: Terms under this nominal length are short: own charge lead, no separate reminder (Q18).
SHORT_TERM_BELOW = timedelta(days=60)
#: No paid period ends later, so that what follows its end (grace, hold) is an instant too.
LATEST_END = datetime(2150, 1, 1, tzinfo=UTC)
_SATURDAY = 5
_NOMINAL_DAYS = {"Y": 365, "M": 30, "W": 7, "D": 1}


@lru_cache(maxsize=256)
def zone(name: str) -> ZoneInfo:
    """The time zone of an IANA name. Raises ValueError for an unknown one."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"'{name}' is not an IANA time zone") from None


def nominal(term: str) -> timedelta | None:
    """The nominal length of a term (a month is 30 days), None when unlimited."""
    if term == UNLIMITED:
        return None
    return timedelta(days=int(term[1:-1]) * _NOMINAL_DAYS[term[-1]])


def is_short(term: str) -> bool:
    """Whether a term is under P2M by its nominal length (Q18)."""
    length = nominal(term)
    return length is not None and length < SHORT_TERM_BELOW


def end_of(anchor: datetime, term: str, count: int, tz: str) -> datetime | None:
    """The end of the `count`-th term counted from `anchor`; None when unlimited (S-08).

    Months and years keep the day and wall time of the anchor, never of a clipped date: Jan 31, Feb 28,
    Mar 31. A wall time that does not exist becomes the later, one that exists twice the first (Q21).
    Raises Impossible when the end lies beyond LATEST_END.
    """
    if term == UNLIMITED:
        return None
    number, unit = int(term[1:-1]) * count, term[-1]
    if unit in "WD":
        return possible_end(anchor + timedelta(days=number * _NOMINAL_DAYS[unit]))
    months = number * 12 if unit == "Y" else number
    local = anchor.astimezone(zone(tz))
    year, month0 = divmod(local.year * 12 + local.month - 1 + months, 12)
    if year > LATEST_END.year:
        raise _too_late()
    day = min(local.day, monthrange(year, month0 + 1)[1])
    moved = local.replace(year=year, month=month0 + 1, day=day, fold=0)
    return possible_end(moved.astimezone(anchor.tzinfo))


def possible_end(end: datetime) -> datetime:
    """The end itself. Raises Impossible when no paid period may end so late."""
    if end > LATEST_END:
        raise _too_late()
    return end


def _too_late() -> Impossible:
    return Impossible("period_out_of_range", f"A period must end before {LATEST_END.year}.")


def end_of_local_day(instant: datetime, days: int, tz: str) -> datetime:
    """The end (exclusive) of the local day that lies `days` after the local day of `instant` (Q13)."""
    return _end_of_day(instant.astimezone(zone(tz)).date() + timedelta(days=days), tz)


def end_of_business_day(
    instant: datetime, count: int, holidays: frozenset[date], tz: str
) -> datetime:
    """The end (exclusive) of the `count`-th business day after the local day of `instant` (S-45)."""
    day = instant.astimezone(zone(tz)).date()
    return _end_of_day(add_business_days(day, count, holidays), tz)


def add_business_days(day: date, count: int, holidays: frozenset[date]) -> date:
    """The `count`-th business day after `day`: neither a weekend nor a holiday (S-45)."""
    while count:
        day += timedelta(days=1)
        if day.weekday() < _SATURDAY and day not in holidays:
            count -= 1
    return day


def _end_of_day(day: date, tz: str) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(), zone(tz)).astimezone(UTC)
