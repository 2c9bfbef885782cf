"""Named places where a crash test kills the process; without the variable they do nothing."""

import os
import signal
from collections import Counter
from functools import cache

from chassis.errors import ConfigurationError

POINTS = (
    "consumer.after_fetch",
    "consumer.after_claim",
    "consumer.before_commit",
    "consumer.after_commit",
    "relay.after_produce",
    "mail.after_intent",
    "mail.after_accept",
    "due.mid_scan",
)
_hits: Counter[str] = Counter()


@cache
def armed() -> tuple[str, int] | None:
    """The point where this process is to die, and at which hit. Raises ConfigurationError."""
    wanted = os.environ.get("TENURE_CRASH_POINT")
    if not wanted:
        return None
    if os.environ.get("TENURE_CRASH_ALLOWED") != "1":
        raise ConfigurationError(
            "TENURE_CRASH_POINT needs TENURE_CRASH_ALLOWED=1; it kills the process."
        )
    name, _, count = wanted.partition(":")
    if name not in POINTS:
        raise ConfigurationError(f"TENURE_CRASH_POINT: unknown point; one of {', '.join(POINTS)}.")
    if count and not count.isdecimal():
        raise ConfigurationError("TENURE_CRASH_POINT: after the colon comes a number.")
    return name, int(count or 1)


def crash_point(name: str) -> None:
    """Kill this process with SIGKILL when this is the armed point and its count is reached."""
    chosen = armed()
    if chosen is None or chosen[0] != name:
        return
    _hits[name] += 1
    if _hits[name] == chosen[1]:
        os.kill(os.getpid(), signal.SIGKILL)
