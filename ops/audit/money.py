"""Invariants of money: 5 nothing is charged or refunded twice; and every payment is answered once."""

from collections import Counter, defaultdict
from datetime import datetime
from uuid import UUID

from contracts import billing, payments
from contracts.envelope import Envelope
from ops.audit.dossier import Dossier
from ops.audit.findings import Notes
from services.billing.domain.facts import Ordered


def charged_once(dossier: Dossier, notes: Notes) -> None:
    """5: one charge per period renewed is outstanding or paid, and an order loses its period once."""
    requests, closed = _charges(dossier)
    notes.saw(len(requests))
    paid = _paid_charges(dossier)
    by_period: dict[UUID, list[Envelope]] = defaultdict(list)
    for charge_id, (renews, message) in requests.items():
        if charge_id in paid or charge_id not in closed:
            by_period[renews].append(message)
    for renews, messages in by_period.items():
        if len(messages) > 1:
            sentence = (
                f"{len(messages)} charges for the renewal of period {renews} stand or are paid."
            )
            notes.wrong("CHARGED_TWICE", sentence, events=messages)
    for charge_id, messages in paid.items():
        if len(messages) > 1:
            sentence = f"Charge {charge_id} was taken {len(messages)} times."
            notes.wrong("CHARGE_TAKEN_TWICE", sentence, events=messages)
    _refunded_once(dossier, notes)


def _charges(dossier: Dossier) -> tuple[dict[UUID, tuple[UUID, Envelope]], set[UUID]]:
    """Every charge that was asked for, with the period it renews, and those that are not wanted any more."""
    asked: dict[UUID, tuple[UUID, Envelope]] = {}
    closed: set[UUID] = set()
    for message in (*dossier.billing, *dossier.requests):
        match message.data:
            case billing.RenewalChargeRequested() | payments.ChargeRequested() as data:
                asked.setdefault(data.charge_id, (data.renews, message))
            case billing.RenewalChargeWithdrawn() | payments.ChargeWithdrawn() as data:
                closed.add(data.charge_id)
            case billing.PaymentFailed(charge_id=UUID() as charge_id) as data:
                if data.hard_decline or data.next_attempt_at is None:
                    closed.add(charge_id)
    return asked, closed


def _paid_charges(dossier: Dossier) -> dict[UUID, list[Envelope]]:
    found: dict[UUID, list[Envelope]] = defaultdict(list)
    for message in dossier.billing:
        data = message.data
        if isinstance(data, billing.PaymentSucceeded) and data.charge_id:
            found[data.charge_id].append(message)
    return found


def _refunded_once(dossier: Dossier, notes: Notes) -> None:
    taken: dict[str, list[Envelope]] = defaultdict(list)
    initiated: dict[str, list[Envelope]] = defaultdict(list)
    for message in dossier.billing:
        match message.data:
            case billing.PeriodReinstated() as data:
                before = [m for m in taken[data.order_id] if _since(m) <= data.effective_at]
                if before:  # none when only the instant of a reinstatement is corrected
                    taken[data.order_id].remove(before[-1])
            case billing.PeriodVoided() | billing.PeriodRevoked() as data:
                notes.saw()
                if data.corrects:  # what took it away from then on never did
                    taken[data.order_id] = [
                        one for one in taken[data.order_id] if _since(one) < data.effective_at
                    ]
                taken[data.order_id].append(message)
            case billing.RefundInitiated(effect="current_revoked" | "upcoming_voided") as data:
                initiated[data.order_id].append(message)
            case billing.RefundFailed() as data if initiated[data.order_id]:
                initiated[data.order_id].pop()
    for effects in (taken, initiated):
        for order_id, messages in effects.items():
            if len(messages) > 1:
                sentence = f"Order {order_id} lost its period {len(messages)} times."
                notes.wrong("REFUNDED_TWICE", sentence, events=messages)


def _since(message: Envelope) -> datetime:
    assert isinstance(message.data, billing.BillingEvent)
    return message.data.effective_at


def answered_once(dossier: Dossier, notes: Notes) -> None:
    """Every success from upstream became one paid period, or was refused with a reason."""
    told: Counter[UUID] = Counter()
    unknown: set[UUID] = set()
    for message in dossier.billing:
        data = message.data
        if not isinstance(data, billing.PaymentSucceeded | billing.PaymentRefused):
            continue
        if isinstance(data, billing.PaymentSucceeded) or data.code != "ORDER_UNKNOWN":
            told[data.fact_id] += 1
        else:
            unknown.add(data.fact_id)
    for message in dossier.upstream:
        data = message.data
        if not isinstance(data, payments.PaymentSucceeded):
            continue
        notes.saw()
        count = told[message.cause_id]
        # Without its order it waits, is refused after a day, and is used when the order comes after all.
        waits = message.cause_id in unknown or not _ordered(dossier, data)
        if count != 1 and not (count == 0 and waits):
            sentence = f"Payment of order {data.order_id} was answered {count} times."
            code = "PAYMENT_NOT_ANSWERED_ONCE"
            notes.wrong(code, sentence, at=[message.time], events=[message])


def _ordered(dossier: Dossier, payment: payments.PaymentSucceeded) -> bool:
    """Whether the order is known that a payment is judged by: its own, or for later ones any."""
    return any(
        payment.kind != "initial" or fact.order_id == payment.order_id
        for fact in dossier.facts
        if isinstance(fact, Ordered)
    )


def requested_as_told(dossier: Dossier, notes: Notes) -> None:
    """What the payment system was asked for is what billing told, each request once."""
    told = {
        data.charge_id
        for message in dossier.billing
        if isinstance(data := message.data, billing.RenewalChargeRequested)
    }
    refunds = {
        data.refund_id
        for message in dossier.billing
        if isinstance(data := message.data, billing.RefundInitiated)
    }
    if not dossier.complete:
        return
    asked: Counter[UUID] = Counter()
    for message in dossier.requests:
        data = message.data
        if isinstance(data, payments.ChargeRequested | payments.RefundRequested):
            notes.saw()
            id = data.charge_id if isinstance(data, payments.ChargeRequested) else data.refund_id
            asked[id] += 1
            if id not in told | refunds or asked[id] > 1:
                sentence = f"The request {id} to the payment system was not told, or told twice."
                notes.wrong("REQUEST_NOT_TOLD", sentence, at=[message.time], events=[message])
