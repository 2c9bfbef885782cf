"""What the watch shows on /metrics. Each metric says what it counts and what to do when it moves."""

from collections import Counter as Sizes

from prometheus_client import Counter, Gauge, Histogram

from ops.watch.windows import Kind

RECORDS = Counter(
    "tenure_watch_records_total",
    "Records read since the start, with those read again; outcome `read`, or why it is garbage.",
    ["topic", "outcome"],
)
RATE = Gauge(
    "tenure_watch_rate",
    "Records per second in the last full minute of the broker's clock; 0 when none came.",
    ["topic", "type", "provider", "outcome"],
)
LATENCY = Histogram(
    "tenure_watch_latency_seconds",
    "From a payment on payments.events to its entitlement and to its mail, by the broker's time.",
    ["stage"],
    buckets=(0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800),
)
SUBSCRIPTIONS = Gauge(
    "tenure_watch_subscriptions", "Subscriptions by status, in business time.", ["status"]
)
ALERTS_OPEN = Gauge("tenure_watch_alerts_open", "Alerts that stand. See `tenure alerts`.", ["code"])
ALERTS_RAISED = Counter(
    "tenure_watch_alerts_raised_total", "Alerts raised by this process.", ["code"]
)
LAG = Gauge(
    "tenure_watch_lag_seconds",
    "How old the oldest record is that a service has not read.",
    ["service"],
)


class Rates:
    """Keeps the gauge at what the last full window held, and at 0 where nothing came any more."""

    def __init__(self, size_ms: int) -> None:
        self._size_s = size_ms / 1000
        self._shown: set[Kind] = set()

    def show(self, window: Sizes[Kind]) -> None:
        """Show a window."""
        for kind in self._shown - window.keys():
            RATE.labels(*kind).set(0)
        for kind, count in window.items():
            RATE.labels(*kind).set(count / self._size_s)
        self._shown |= window.keys()
