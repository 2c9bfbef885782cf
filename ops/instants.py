"""How operators write times and durations."""

import re
from datetime import UTC, datetime, timedelta

from ledger.calendar import end_of
from ops.errors import WrongUsage

_UNITS = {
    "w": timedelta(weeks=1),
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
}
_SHORT = re.compile(r"([0-9]+)([wdhms])")
_ISO = re.compile(
    r"P(?:(?P<w>[0-9]+)W)?(?:(?P<d>[0-9]+)D)?"
    r"(?:T(?:(?P<h>[0-9]+)H)?(?:(?P<m>[0-9]+)M)?(?:(?P<s>[0-9]+)S)?)?"
)
_CALENDAR = re.compile(r"P([1-9][0-9]{0,3})([YM])|([1-9][0-9]{0,3})(y|mo)")


def parse_duration(text: str) -> timedelta:
    """A duration such as `35d`, `1h30m` or `P7DT12H`. Raises WrongUsage for anything else."""
    parts = _SHORT.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        return sum((int(number) * _UNITS[unit] for number, unit in parts), timedelta())
    match = _ISO.fullmatch(text)
    if match and any(match.groups()):
        found = {unit: int(number) for unit, number in match.groupdict().items() if number}
        return sum((number * _UNITS[unit] for unit, number in found.items()), timedelta())
    raise WrongUsage(f"'{text}' is no duration: write 10m, 12h, 35d, 2w or like P7D.")


def parse_instant(text: str) -> datetime:
    """An instant such as `2025-01-31` or `2025-01-31T10:00+01:00`; UTC unless it says otherwise.

    Raises WrongUsage for anything else.
    """
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        sentence = f"'{text}' is no instant: write 2025-01-31 or 2025-01-31T10:00Z."
        raise WrongUsage(sentence) from None
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)


def later(start: datetime, text: str) -> datetime:
    """`start` plus a duration, or plus calendar months and years (`3mo`, `1y`, `P1Y`)."""
    match = _CALENDAR.fullmatch(text)
    if match is None:
        return start + parse_duration(text)
    number, unit = match[1] or match[3], (match[2] or match[4][0]).upper()
    end = end_of(start, f"P{number}{unit}", 1, "UTC")
    if end is None:
        raise WrongUsage(f"'{text}' has no end.")
    return end


def since(text: str, now: datetime) -> datetime:
    """`10m` ago, or an instant."""
    try:
        return now - parse_duration(text)
    except WrongUsage:
        return parse_instant(text)
