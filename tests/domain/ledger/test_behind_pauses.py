"""What was paid behind a pause lies behind it, told so or not (T24, Q17)."""

from dataclasses import replace

import pytest

from ledger.history import PaidPeriod
from ledger.shifts import behind_pauses
from tests.domain.ledger.histories import period, taken
from tests.domain.ledger.test_interruptions import history, pause
from tests.support.story import utc

ONE = period("2024-06-15", "2025-06-15")
TWO = replace(period("2025-06-15", "2025-07-15", paid="2025-06-01"), ordinal=2)
THREE = replace(period("2025-07-15", "2025-08-15", paid="2025-06-02"), ordinal=3)
#: Sixty days from the end of the first.
PAUSE = pause("2025-06-03", "2025-08-14", "at_period_end")


def moved(known: PaidPeriod, start: str, end: str) -> PaidPeriod:
    """The period as billing tells it after the pause."""
    return replace(known, start=utc(start), end=utc(end))


TWO_MOVED = moved(TWO, "2025-08-14", "2025-09-13")
THREE_MOVED = moved(THREE, "2025-09-13", "2025-10-14")


def settled(*periods: PaidPeriod) -> list[tuple[str, str]]:
    """Where the periods behind the pause lie, by ordinal."""
    found = behind_pauses(history(ONE, PAUSE, *periods)).periods
    behind = sorted((p for p in found if p.ordinal > 1), key=lambda p: p.ordinal)
    return [(f"{p.start:%m-%d}", f"{p.end:%m-%d}") for p in behind if p.end]


@pytest.mark.parametrize(
    "told",
    [(TWO, THREE), (TWO_MOVED, THREE), (TWO, THREE_MOVED), (TWO_MOVED, THREE_MOVED)],
    ids=["nothing", "the first", "the second", "both"],
)
def test_however_much_of_it_was_told(told: tuple[PaidPeriod, ...]) -> None:
    assert settled(*told) == [("08-14", "09-13"), ("09-13", "10-14")]


def test_what_was_taken_away_takes_no_place_behind_the_pause() -> None:
    lost = replace(TWO, taken=taken("2025-06-05", "refunded_renewal", upcoming=True))
    again = replace(period("2025-06-16", "2025-07-16", paid="2025-06-06"), ordinal=3)
    assert settled(lost, again) == [("08-14", "09-13"), ("08-14", "09-13")]


def test_a_period_without_end_begins_where_the_pause_ends() -> None:
    (*_, last) = behind_pauses(history(ONE, PAUSE, replace(TWO, end=None))).periods
    assert (last.start, last.end) == (utc("2025-08-14"), None)


def test_nothing_moves_that_has_no_pause_before_it() -> None:
    frozen = pause("2025-06-03", "2025-08-14", "freeze_term")
    for told in (history(ONE, TWO), history(ONE, TWO, frozen), history(ONE, PAUSE)):
        assert behind_pauses(told) == told
