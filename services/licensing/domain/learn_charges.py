"""Learning from billing: renewal charges that were asked for, and their answers (Q7, Q8)."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from contracts import billing
from contracts.base import Data
from ledger.history import History
from ledger.open_money import Asked


@dataclass(frozen=True, slots=True)
class Charge:
    """The fact by which a charge was asked for."""

    charge_id: UUID
    fact_id: UUID


def learn_charge(
    history: History, charges: tuple[Charge, ...], data: Data
) -> tuple[History, tuple[Charge, ...]]:
    """History and charges after what an event tells about them.

    A charge is answered by a payment, a final failure, or its withdrawal; which one comes last does
    not matter, the first answer counts.
    """
    match data:
        case billing.RenewalChargeRequested():
            history = history.with_charged(data.fact_id, data.renews)
            if not any(charge.charge_id == data.charge_id for charge in charges):
                charges = (*charges, Charge(data.charge_id, data.fact_id))
                history = history.with_asked(Asked(data.fact_id, data.renews, data.effective_at))
        case billing.PaymentSucceeded() | billing.RenewalChargeWithdrawn():
            history = _answered(history, charges, data.charge_id, data.effective_at)
        case billing.PaymentFailed():
            if data.period_id:
                history = history.with_charged(data.fact_id, data.period_id)
            if data.hard_decline or data.next_attempt_at is None:
                history = _answered(history, charges, data.charge_id, data.effective_at)
    return history, charges


def _answered(
    history: History, charges: tuple[Charge, ...], charge_id: UUID | None, at: datetime
) -> History:
    fact_ids = {charge.fact_id for charge in charges if charge.charge_id == charge_id}
    for asked in history.asked:
        if asked.fact_id in fact_ids and (asked.closed_at is None or at < asked.closed_at):
            return history.with_asked(replace(asked, closed_at=at))
    return history
