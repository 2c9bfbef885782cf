"""Counts, rates and spans as people read them: one short word each. Pure."""

import math

#: What is not known.
UNKNOWN = "–"


def count(number: int | None) -> str:
    """A whole number with its thousands apart."""
    return UNKNOWN if number is None else f"{number:,}"


def rate(per_s: float | None) -> str:
    """A number per second, with one decimal where it is small."""
    if per_s is None:
        return UNKNOWN
    if 0 < per_s < 0.05:
        return "<0.1"
    return f"{per_s:.1f}" if 0 < per_s < 9.95 else f"{per_s:,.0f}"


def span(seconds: float | None) -> str:
    """A span for people: `120 ms`, `4.2 s`, `45 s`, `12 min`, `3 h`, `2 d`."""
    if seconds is None:
        return UNKNOWN
    if math.isinf(seconds):
        return "> 30 min"  # beyond the last bucket of the watch's histogram
    seconds = max(seconds, 0.0)
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms" if seconds else "0 s"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    for size_s, longest, unit in ((1, 120, "s"), (60, 120, "min"), (3600, 48, "h")):
        if seconds < size_s * longest:
            return f"{seconds / size_s:.0f} {unit}"
    return f"{seconds / 86400:.0f} d"
