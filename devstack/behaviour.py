"""How simulated customers behave: what the payment system answers to charges and refunds, and when."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to charge, `after_s` seconds after the request."""

    after_s: int
    outcome: Literal["paid", "declined"]


#: Paid two hours after the request.
PAYS: tuple[Attempt, ...] = (Attempt(7200, "paid"),)
#: Three attempts in a week, then the payment system gives up.
DECLINES: tuple[Attempt, ...] = (
    Attempt(7200, "declined"),
    Attempt(3 * 86400, "declined"),
    Attempt(7 * 86400, "declined"),
)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What happens on each request. `charges`: one list of attempts per charge request, the last repeats."""

    charges: tuple[tuple[Attempt, ...], ...] = (PAYS,)
    refund_after_s: int = 4 * 86400
    refund_succeeds: bool = True
    #: Otherwise nobody ever learns what became of a refund.
    refund_answers: bool = True
    #: Publish every message twice, as at-least-once senders do.
    repeats: bool = False

    def to_json(self) -> dict[str, Any]:
        """As kept in the simulator's database."""
        return asdict(self)

    @staticmethod
    def from_json(value: dict[str, Any]) -> "Behaviour":
        """Read back what `to_json` wrote."""
        charges = tuple(tuple(Attempt(**a) for a in attempts) for attempts in value["charges"])
        return Behaviour(**{**value, "charges": charges})


#: A message that is known up front: when, its type and data.
Later = tuple[datetime, str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Publication:
    """A message that the payment system will publish when `due_at` has come."""

    due_at: datetime
    key: str
    message: dict[str, Any]
    charge_id: str | None = None


@dataclass(frozen=True, slots=True)
class Customer:
    """A simulated customer with one subscription and everything that is known to happen up front.

    `payment_after_s` may be negative: then the payment is published before its order. `later` are
    further messages at given instants: renewals that the provider charges by itself, pauses, disputes.
    """

    provider_id: str
    reference: str
    name: str
    email: str
    ordered_at: datetime
    locale: str = "en"
    term: str = "P1Y"
    amount_minor: int = 4999
    currency: str = "EUR"
    auto_renew: bool = True
    payment_after_s: int | None = 60
    behaviour: Behaviour = field(default_factory=Behaviour)
    later: tuple[Later, ...] = ()

    @property
    def money(self) -> dict[str, Any]:
        """The price."""
        return {"minor": self.amount_minor, "currency": self.currency}


def instant(value: datetime) -> str:
    """An instant as our schemas want it."""
    return value.isoformat().replace("+00:00", "Z")


def event(
    provider_id: str, reference: str, id: str, type: str, at: datetime, data: dict[str, Any]
) -> dict[str, Any]:
    """A CloudEvent as an upstream payment system publishes it."""
    return {
        "specversion": "1.0",
        "id": id,
        "source": f"/payments/{provider_id}",
        "type": type,
        "subject": reference,
        "time": instant(at),
        "providerid": provider_id,
        "data": data,
    }


def opening(customer: Customer) -> list[Publication]:
    """The order, its payment, and everything else that is known up front."""
    order_id = f"{customer.reference}-1"
    order = {
        "order_id": order_id,
        "customer": {
            "customer_ref": f"C-{customer.reference}",
            "name": customer.name,
            "email": customer.email,
            "locale": customer.locale,
        },
        "plan": {
            "product_id": "internet-security",
            "product_type": "update-and-protection",
            "term": customer.term,
            "seats": 3,
        },
        "amount": customer.money,
        "auto_renew": customer.auto_renew,
    }
    at = customer.ordered_at
    found = [_publication(customer, "order", "payments.order-placed.v1", at, order)]
    if customer.payment_after_s is not None:
        paid_at = at + timedelta(seconds=customer.payment_after_s)
        paid = {"order_id": order_id, "kind": "initial", "amount": customer.money}
        found.append(
            _publication(customer, "paid-1", "payments.payment-succeeded.v1", paid_at, paid)
        )
    for number, (later_at, type, data) in enumerate(customer.later, 1):
        found.append(_publication(customer, f"later-{number}", type, later_at, data))
    return found


def _publication(
    customer: Customer, id: str, type: str, at: datetime, data: dict[str, Any]
) -> Publication:
    reference = customer.reference
    message = event(customer.provider_id, reference, f"{reference}-{id}", type, at, data)
    return Publication(at, reference, message)


def charge_answers(
    provider_id: str,
    reference: str,
    request: dict[str, Any],
    requested_at: datetime,
    attempts: Sequence[Attempt],
) -> list[Publication]:
    """What the payment system publishes after a charge request, one message per attempt."""
    charge_id = request["charge_id"]
    order_id = f"{reference}-{charge_id[:8]}"
    base = {"order_id": order_id, "kind": "renewal", "amount": request["amount"]}
    found = []
    for number, attempt in enumerate(attempts, 1):
        at = requested_at + timedelta(seconds=attempt.after_s)
        data: dict[str, Any] = {**base, "charge_id": charge_id}
        if attempt.outcome == "paid":
            type = "payments.payment-succeeded.v1"
        else:
            type = "payments.payment-failed.v1"
            last = number == len(attempts)
            data |= {"attempt": number, "hard_decline": last, "reason": "card declined"}
            if not last:
                next_at = requested_at + timedelta(seconds=attempts[number].after_s)
                data["next_attempt_at"] = instant(next_at)
        message = event(provider_id, reference, f"{charge_id}-{number}", type, at, data)
        found.append(Publication(at, reference, message, charge_id))
    return found


def refund_answer(
    provider_id: str,
    reference: str,
    request: dict[str, Any],
    requested_at: datetime,
    behaviour: Behaviour,
) -> Publication:
    """What the payment system publishes after a refund request."""
    at = requested_at + timedelta(seconds=behaviour.refund_after_s)
    refund_id, data = request["refund_id"], {"order_id": request["order_id"]}
    if behaviour.refund_succeeds:
        type = "payments.refund-succeeded.v1"
        data |= {"amount": request["amount"], "full": request["full"], "refund_id": refund_id}
    else:
        type = "payments.refund-failed.v1"
        data |= {"refund_id": refund_id, "reason": "card account is closed"}
    return Publication(
        at, reference, event(provider_id, reference, f"{refund_id}-answer", type, at, data)
    )
