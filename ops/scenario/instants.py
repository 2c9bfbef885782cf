"""How a scenario writes an instant: `2025-06-01T10:00Z`, `+1y-14d` from its start, `now-1s`."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from pydantic import PlainValidator, WithJsonSchema

from ledger.calendar import end_of
from ops.errors import WrongUsage
from ops.instants import parse_duration, parse_instant

#: A sign counts for all numbers up to the next sign.
_PART = r"[+-](?:[0-9]{1,4}(?:y|mo|w|d|h|m|s))+"
_SHAPE = re.compile(rf"(start|now)?((?:{_PART})*)|([0-9]{{4}}-[^ ]+)(?: ((?:{_PART})+))?")
_PARTS = re.compile(r"([+-])?([0-9]+)(y|mo|w|d|h|m|s)")
_CALENDAR = {"y": "Y", "mo": "M"}
_DATE = "[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:.]+(Z|[+-][0-9:]+)?)?"
_PATTERN = f"^((start|now)({_PART})*|({_PART})+|{_DATE}( ({_PART})+)?)$"
_WORDS = "write 2025-06-01, 2025-06-01T10:00Z, start, now, +11mo, +1y-14d or now-1s"


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant as written; relative ones count from the start, or with `now` from their step."""

    text: str
    base: datetime | None
    from_now: bool
    parts: tuple[tuple[int, str], ...]

    def at(self, start: datetime, now: datetime) -> datetime:
        """The instant in UTC; months and years are calendar steps in UTC, the rest exact spans."""
        instant = self.base or (now if self.from_now else start)
        for number, unit in self.parts:
            if unit in _CALENDAR and number:
                size, sign = abs(number), 1 if number > 0 else -1
                moved = end_of(instant, f"P{size}{_CALENDAR[unit]}", sign, "UTC")
                instant = moved or instant
            else:
                span = parse_duration(f"{abs(number)}{unit}")
                instant = instant + span if number > 0 else instant - span
        return instant

    def __str__(self) -> str:
        """As it was written."""
        return self.text


def parse(value: Any) -> Moment:
    """Read an instant. Raises ValueError that says what is allowed."""
    if isinstance(value, Moment):
        return value
    match = _SHAPE.fullmatch(value) if isinstance(value, str) and value else None
    if match is None:
        raise ValueError(f"'{value}' is no instant: {_WORDS}")
    word, parts, absolute, more = match.groups()
    found: list[tuple[int, str]] = []
    sign = "+"
    for given, number, unit in _PARTS.findall(parts or more or ""):
        sign = given or sign
        found.append((int(sign + number), unit))
    try:
        base = parse_instant(absolute) if absolute else None
    except WrongUsage:
        raise ValueError(f"'{value}' is no instant: {_WORDS}") from None
    return Moment(value, base, word == "now", tuple(found))


#: An instant in a scenario file.
When = Annotated[
    Moment,
    PlainValidator(parse),
    WithJsonSchema({"type": "string", "pattern": _PATTERN, "description": f"Instant: {_WORDS}."}),
]
