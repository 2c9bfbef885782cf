"""What a person should look at: told by a metric and a log line until the operators' watch raises alerts."""

from collections.abc import Sequence

from prometheus_client import Counter

from chassis.aggregate import Step
from chassis.telemetry import log
from chassis.tracing import log_fields
from contracts.base import Data
from contracts.billing import CancellationOverdueAtProvider, PaymentRefused, RefundOverdue

#: The events that need an operator, and the code of each.
ALERTS: dict[type[Data], str] = {
    PaymentRefused: "PAYMENT_REFUSED",
    RefundOverdue: "REFUND_OVERDUE",
    CancellationOverdueAtProvider: "CANCELLATION_OVERDUE",
}
RAISED = Counter(
    "tenure_billing_alerts_total",
    "Events that need an operator, by code; `reason` says why a payment was refused."
    " Look at `tenure timeline` of the subscription.",
    ["code", "reason"],
)


def alert(steps: Sequence[Step]) -> None:
    """Count and log every event that needs an operator; the money of most refused payments goes back by itself."""
    for step in steps:
        for outgoing in step.said:
            code = ALERTS.get(type(outgoing.data))
            if code is None:
                continue
            reason = outgoing.data.code if isinstance(outgoing.data, PaymentRefused) else ""
            RAISED.labels(code, reason).inc()
            log.error(
                "an operator should look",
                code=code,
                reason=reason,
                subscription_id=str(step.id),
                order_id=getattr(outgoing.data, "order_id", ""),
                event_id=str(outgoing.id),
                **log_fields(step.message.traceparent),
            )
