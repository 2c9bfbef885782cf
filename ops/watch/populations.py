"""How many subscriptions are active, in grace, on hold, paused, about to expire, or wait for a refund. Pure."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta

from ops.watch.record import Record

_SOON = timedelta(days=30)
#: Always shown, also when there is nobody.
NAMES = ("active", "grace", "hold", "paused", "ended", "pending", "expiring_30d", "refund_open")


def populations(records: Iterable[Record], now: datetime | None) -> Counter[str]:
    """The sizes, at the business instant `now`: the latest that licensing or billing told."""
    found: Counter[str] = Counter(dict.fromkeys(NAMES, 0))
    for record in records:
        status = record.status
        if status:
            found[status] += 1
        entitled = record.entitled
        if now and entitled and status == "active" and entitled.paid_through:
            found["expiring_30d"] += now <= entitled.paid_through <= now + _SOON
        found["refund_open"] += bool(record.refunds_open)
    return found
