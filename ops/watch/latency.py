"""From a payment to its entitlement to its mail, by the broker's time of each. Pure."""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

from contracts import billing, notifications, payments
from contracts.envelope import Envelope
from contracts.licensing import EntitlementEvent

#: Payments that nothing followed are forgotten in the order in which they came.
_PAYMENTS_MAX = 20_000
_CONFIRMING = ("order-confirmation", "receipt")


@dataclass(slots=True)
class _Way:
    paid_ms: int
    entitled: bool = False
    mailed: bool = False


@dataclass(slots=True)
class Latencies:
    """Joins by the correlation id of what follows from a payment, and by the event that asked for a mail."""

    _ways: OrderedDict[str, _Way] = field(default_factory=OrderedDict)

    def hear(self, message: Envelope, at_ms: int) -> Iterator[tuple[str, float]]:
        """The stages that end with this message, and their seconds."""
        match message.data:
            case payments.PaymentSucceeded():
                self._remember(f"{message.providerid} {message.id}", _Way(at_ms))
            case billing.PaymentSucceeded():
                if way := self._cause(message):
                    self._remember(message.id, way)
            case EntitlementEvent():
                way = self._cause(message)
                if way and not way.entitled:
                    way.entitled = True
                    yield "payment_to_entitlement", _seconds(at_ms - way.paid_ms)
            case notifications.MailAccepted(kind=kind) if kind in _CONFIRMING:
                way = self._ways.get(message.data.requested_by)
                if way and not way.mailed:
                    way.mailed = True
                    yield "payment_to_mail", _seconds(at_ms - way.paid_ms)

    def _cause(self, message: Envelope) -> _Way | None:
        return self._ways.get(f"{message.providerid} {message.correlationid}")

    def _remember(self, key: str, way: _Way) -> None:
        self._ways.setdefault(key, way)
        if len(self._ways) > 2 * _PAYMENTS_MAX:
            self._ways.popitem(last=False)


def _seconds(ms: int) -> float:
    return max(0.0, ms / 1000)
