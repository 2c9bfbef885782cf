"""What a person should look at: told by a metric and a log line until the operators' watch raises alerts."""

from collections.abc import Sequence

from prometheus_client import Counter

from chassis.aggregate import Step
from chassis.telemetry import log
from contracts.billing import PaymentRefused

REFUSED = Counter(
    "tenure_payments_refused_total",
    "Payments that bought nothing, by code. Look at `tenure timeline` of the subscription.",
    ["code"],
)


def alert(steps: Sequence[Step]) -> None:
    """Count and log every refused payment; the money of most goes back by itself."""
    for step in steps:
        for outgoing in step.said:
            if isinstance(outgoing.data, PaymentRefused):
                REFUSED.labels(outgoing.data.code).inc()
                log.error(
                    "payment refused",
                    code=outgoing.data.code,
                    subscription_id=str(step.id),
                    order_id=outgoing.data.order_id,
                    event_id=str(outgoing.id),
                )
