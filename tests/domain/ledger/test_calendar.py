"""Calendar arithmetic: terms are calendar steps, spans are exact, wall time is kept (3e, Q13, Q21)."""

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import Impossible
from ledger.calendar import (
    LATEST_END,
    add_business_days,
    end_of,
    end_of_business_day,
    end_of_local_day,
    is_short,
    nominal,
    zone,
)
from tests.support.story import utc

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe")
TERMS = ("P1M", "P2M", "P3M", "P6M", "P12M", "P1Y", "P2Y", "P5Y")


@pytest.mark.parametrize(
    ("anchor", "ends"),
    [
        ("2025-01-28", "02-28 03-28 04-28 05-28 06-28 07-28 08-28 09-28 10-28 11-28 12-28 01-28"),
        ("2025-01-29", "02-28 03-29 04-29 05-29 06-29 07-29 08-29 09-29 10-29 11-29 12-29 01-29"),
        ("2025-01-30", "02-28 03-30 04-30 05-30 06-30 07-30 08-30 09-30 10-30 11-30 12-30 01-30"),
        ("2025-01-31", "02-28 03-31 04-30 05-31 06-30 07-31 08-31 09-30 10-31 11-30 12-31 01-31"),
        ("2024-01-31", "02-29 03-31 04-30 05-31 06-30 07-31 08-31 09-30 10-31 11-30 12-31 01-31"),
        ("2025-08-31", "09-30 10-31 11-30 12-31 01-31 02-28 03-31 04-30 05-31 06-30 07-31 08-31"),
    ],
)
def test_months_count_from_the_anchor_never_from_a_clipped_date(anchor: str, ends: str) -> None:
    found = [end_of(utc(anchor), "P1M", count, "UTC") for count in range(1, 13)]
    assert [f"{end:%m-%d}" for end in found if end] == ends.split()


@pytest.mark.parametrize(
    ("anchor", "term", "count", "end"),
    [
        ("2024-02-29", "P1Y", 1, "2025-02-28"),
        ("2024-02-29", "P1Y", 3, "2027-02-28"),
        ("2024-02-29", "P1Y", 4, "2028-02-29"),
        ("2023-02-28", "P1Y", 1, "2024-02-28"),
        ("2024-02-29", "P4Y", 1, "2028-02-29"),
        ("2096-02-29", "P4Y", 1, "2100-02-28"),
        ("2024-01-31", "P1M", 13, "2025-02-28"),
        ("2024-12-31", "P2M", 1, "2025-02-28"),
        ("2024-06-15", "P1Y", 1, "2025-06-15"),
        ("2025-01-31", "P30D", 1, "2025-03-02"),
        ("2025-01-31", "P2W", 1, "2025-02-14"),
        ("2025-01-31", "P30D", 2, "2025-04-01"),
    ],
)
def test_the_end_of_a_term(anchor: str, term: str, count: int, end: str) -> None:
    assert end_of(utc(anchor), term, count, "UTC") == utc(end)


@pytest.mark.parametrize("day", range(1, 32))
def test_every_anchor_day_of_january_returns_to_itself_after_a_year_of_months(day: int) -> None:
    anchor = datetime(2025, 1, day, 12, tzinfo=UTC)
    assert end_of(anchor, "P1M", 12, "UTC") == datetime(2026, 1, day, 12, tzinfo=UTC)
    february = end_of(anchor, "P1M", 1, "UTC")
    assert february == datetime(2025, 2, min(day, 28), 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("anchor", "tz", "end"),
    [
        # Wall time is kept across summer time: 12:00 in Berlin is 11:00Z in winter, 10:00Z in summer.
        ("2025-01-15T11:00", "Europe/Berlin", "2025-07-15T10:00"),
        # 2025-03-30 02:30 does not exist in Berlin: the later wall time, 03:30.
        ("2024-09-30T00:30", "Europe/Berlin", "2025-03-30T01:30"),
        # 2025-10-26 02:30 exists twice in Berlin: the first.
        ("2025-04-26T00:30", "Europe/Berlin", "2025-10-26T00:30"),
        # 2025-03-09 02:30 does not exist in New York, 2025-11-02 01:30 exists twice.
        ("2024-09-09T06:30", "America/New_York", "2025-03-09T07:30"),
        ("2025-05-02T05:30", "America/New_York", "2025-11-02T05:30"),
        # The local day decides: 23:30Z on 30 January is the 31st in Berlin.
        ("2025-07-30T22:30", "Europe/Berlin", "2026-01-30T23:30"),
    ],
)
def test_half_a_year_keeps_the_wall_time(anchor: str, tz: str, end: str) -> None:
    """Q21: a wall time that does not exist becomes the later, one that exists twice the first."""
    assert end_of(utc(anchor), "P6M", 1, tz) == utc(end)


def test_days_and_weeks_are_exact_spans_even_across_summer_time() -> None:
    anchor = utc("2025-03-29T12:00")
    assert end_of(anchor, "P1D", 1, "Europe/Berlin") == anchor + timedelta(hours=24)
    assert end_of(anchor, "P1W", 1, "Europe/Berlin") == anchor + timedelta(days=7)


def test_an_unlimited_term_has_no_end() -> None:
    assert end_of(utc("2025-01-01"), "unlimited", 1, "UTC") is None
    assert nominal("unlimited") is None
    assert not is_short("unlimited")


@pytest.mark.parametrize(
    ("term", "short"),
    [
        ("P1D", True), ("P2W", True), ("P30D", True), ("P1M", True), ("P59D", True), ("P8W", True),
        ("P60D", False), ("P2M", False), ("P9W", False), ("P1Y", False),
    ],
)  # fmt: skip
def test_terms_under_two_nominal_months_are_short(term: str, short: bool) -> None:
    """Q18."""
    assert is_short(term) is short


@pytest.mark.parametrize("term", ["P126Y", "P9999Y", "P9999M", "P9999W"])
def test_a_term_that_ends_beyond_all_time_is_impossible_not_a_crash(term: str) -> None:
    with pytest.raises(Impossible) as raised:
        end_of(utc("2025-01-01"), term, 1, "UTC")
    assert raised.value.code == "period_out_of_range"
    assert end_of(utc("2025-01-01"), "P125Y", 1, "UTC") == LATEST_END


@pytest.mark.parametrize(
    ("instant", "tz", "end"),
    [
        ("2025-06-01T00:00", "UTC", "2025-07-02T00:00"),
        ("2025-06-01T23:59", "UTC", "2025-07-02T00:00"),
        ("2025-06-01T21:59", "Europe/Berlin", "2025-07-01T22:00"),
        ("2025-06-01T22:00", "Europe/Berlin", "2025-07-02T22:00"),
        # 30 local days across the end of summer time.
        ("2025-10-10T12:00", "Europe/Berlin", "2025-11-09T23:00"),
    ],
)
def test_the_last_day_of_the_refund_window_counts_whole(instant: str, tz: str, end: str) -> None:
    """Q13: the last day is the local date of the order + 30, whole day included."""
    assert end_of_local_day(utc(instant), 30, tz) == utc(end)


def test_an_unknown_time_zone_is_a_value_error() -> None:
    for name in ("Mars/Olympus", "Europe", "../etc/passwd", ""):
        with pytest.raises(ValueError, match="IANA"):
            zone(name)


anchors = st.datetimes(
    min_value=utc("2005-01-01").replace(tzinfo=None),
    max_value=utc("2025-01-01").replace(tzinfo=None),
    timezones=st.just(UTC),
)


@given(anchors, st.sampled_from(TERMS), st.integers(1, 24), st.sampled_from(ZONES))
def test_ends_only_move_forward(anchor: datetime, term: str, count: int, tz: str) -> None:
    one, next_one = (end_of(anchor, term, n, tz) for n in (count, count + 1))
    assert one
    assert next_one
    assert anchor < one < next_one


@given(anchors, st.integers(1, 36), st.sampled_from(ZONES))
def test_a_year_is_twelve_months(anchor: datetime, years: int, tz: str) -> None:
    assert end_of(anchor, "P1Y", years, tz) == end_of(anchor, "P1M", 12 * years, tz)


@given(anchors, st.sampled_from(TERMS), st.integers(1, 24), st.sampled_from(ZONES))
def test_day_and_wall_time_are_the_anchors_unless_they_do_not_exist(
    anchor: datetime, term: str, count: int, tz: str
) -> None:
    end = end_of(anchor, term, count, tz)
    assert end
    began, ended = anchor.astimezone(zone(tz)), end.astimezone(zone(tz))
    last_day = monthrange(ended.year, ended.month)[1]
    wall = ended.replace(day=min(began.day, last_day), tzinfo=None)
    wall = datetime.combine(wall.date(), began.time(), zone(tz))
    exists = wall.astimezone(UTC).astimezone(zone(tz)).replace(tzinfo=None) == wall.replace(
        tzinfo=None
    )
    assert not exists or end == wall.astimezone(UTC)
    assert ended.fold == 0


EASTER = frozenset({date(2025, 4, 18), date(2025, 4, 21)})


@pytest.mark.parametrize(
    ("day", "count", "expected"),
    [
        (date(2025, 4, 14), 0, date(2025, 4, 14)),
        (date(2025, 4, 14), 1, date(2025, 4, 15)),
        (date(2025, 4, 17), 1, date(2025, 4, 22)),
        (date(2025, 4, 18), 1, date(2025, 4, 22)),
        (date(2025, 4, 19), 1, date(2025, 4, 22)),
        (date(2025, 4, 14), 7, date(2025, 4, 25)),
    ],
)
def test_business_days_are_neither_weekends_nor_holidays(
    day: date, count: int, expected: date
) -> None:
    """S-45: Good Friday and Easter Monday."""
    assert add_business_days(day, count, EASTER) == expected


@given(st.dates(date(2020, 1, 1), date(2040, 1, 1)), st.integers(1, 30))
def test_every_business_day_counts_once(day: date, count: int) -> None:
    end = add_business_days(day, count, frozenset())
    days = [day + timedelta(days=n) for n in range(1, (end - day).days + 1)]
    assert sum(each.weekday() < 5 for each in days) == count
    assert end.weekday() < 5


def test_the_last_business_day_counts_whole_in_its_time_zone() -> None:
    """S-45: as with the refund window."""
    late = datetime(2025, 4, 14, 23, 30, tzinfo=UTC)
    assert end_of_business_day(late, 1, EASTER, "UTC") == datetime(2025, 4, 16, tzinfo=UTC)
    berlin = datetime(2025, 4, 16, 22, tzinfo=UTC)
    assert end_of_business_day(late, 1, EASTER, "Europe/Berlin") == berlin
