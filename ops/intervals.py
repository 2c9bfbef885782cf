"""Sets of half-open time intervals: just enough to compare paid time with entitled time."""

from collections.abc import Iterable
from datetime import datetime

Interval = tuple[datetime, datetime]


def union(intervals: Iterable[Interval]) -> list[Interval]:
    """The intervals merged and in order; empty ones vanish."""
    merged: list[Interval] = []
    for start, end in sorted(i for i in intervals if i[0] < i[1]):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def minus(left: Iterable[Interval], right: Iterable[Interval]) -> list[Interval]:
    """What of `left` no interval of `right` covers."""
    rest: list[Interval] = []
    covers = union(right)
    for start, end in union(left):
        for cover_start, cover_end in covers:
            if cover_end <= start or cover_start >= end:
                continue
            if start < cover_start:
                rest.append((start, cover_start))
            start = max(start, cover_end)
        if start < end:
            rest.append((start, end))
    return rest
