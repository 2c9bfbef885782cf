"""The fold: a subscription's facts, in canonical order, become its standing."""

from dataclasses import replace
from uuid import UUID

from contracts.policy import Policies
from ledger.history import Will
from services.billing.domain import facts
from services.billing.domain.fold_disputes import (
    count_dispute,
    count_loss,
    count_open_disputes,
)
from services.billing.domain.fold_pauses import count_pause, count_resume, end_all_with_subscription
from services.billing.domain.fold_payments import count_payment
from services.billing.domain.fold_refunds import count_refund
from services.billing.domain.goodwill import count_extension
from services.billing.domain.settings import count_settings, seat_changes
from services.billing.domain.standing import Standing
from services.billing.domain.subscription import Subscription

#: Why a charge is withdrawn that may be asked for again when the reason has passed (Q4, Q16).
PASSING = ("canceled", "refunded", "dispute", "paused")


def standing(subscription: Subscription, policies: Policies) -> Standing:
    """Fold the facts in canonical order. Any order of arrival gives the same standing."""
    result = Standing(subscription, policies)
    known = subscription.facts
    result.orders = {fact.order_id: fact for fact in known if isinstance(fact, facts.Ordered)}
    accepted: dict[str | UUID, UUID] = {
        paid: fact.fact_id
        for fact in known
        if isinstance(fact, facts.Paid) and fact.verdict == "accepted"
        for paid in (fact.order_id, fact.charge_id)
        if paid
    }
    asked = {fact.refund_id: fact for fact in known if isinstance(fact, facts.CaseApproved)}
    for position, fact in enumerate(known):
        match fact:
            case facts.Ordered():
                _ordered(result, fact)
            case facts.Paid():
                count_payment(result, fact, accepted)
            case facts.Failed():
                _failed(result, fact)
            case facts.Canceled():
                result.add_will(Will(fact.fact_id, fact.at, auto_renew=False, reason="canceled"))
            case facts.Uncanceled():
                result.add_will(Will(fact.fact_id, fact.at, auto_renew=True, reason="withdrawn"))
            case facts.ChargeRequested():
                result.add_charge(fact)
            case facts.ChargeWithdrawn():
                charge = result.charges[fact.charge_id]
                charge.again = fact.reason in PASSING
                if charge.open:
                    result.close_charge(charge, fact.at)
            case facts.PauseRequested():
                count_pause(result, fact, known[position + 1 :])
            case facts.ResumeRequested():
                count_resume(result, fact)
            case facts.Extended():
                count_extension(result, fact)
            case facts.SettingsChanged():
                count_settings(result, fact)
            case facts.RemindedLate():
                result.reminded_late[fact.renews, fact.end] = fact.at
            case facts.ReminderProven():
                result.proofs.setdefault((fact.renews, fact.end), fact.at)
            case facts.DisputeOpened() | facts.DisputeWon() | facts.DisputeLost():
                count_dispute(result, fact)
            case facts.MoneyLost():
                count_loss(result, fact)
            case facts.HandedOver():
                result.handed_over.append(fact)
            case _:
                count_refund(result, fact, asked)
    count_open_disputes(result)
    end_all_with_subscription(result)
    result.history = replace(result.history, seat_changes=seat_changes(result))
    return result


def _ordered(result: Standing, fact: facts.Ordered) -> None:
    if fact is result.first_order:
        result.add_will(
            Will(fact_id=fact.fact_id, at=fact.at, auto_renew=fact.auto_renew, reason="ordered"),
        )


def _failed(result: Standing, fact: facts.Failed) -> None:
    renewed = result.failed_period(fact)
    if renewed:
        result.failures[fact.fact_id] = renewed
        result.add_charged(fact.fact_id, renewed)
    charge = result.charge_answered_by(fact)
    if charge and charge.open and fact.final:
        result.close_charge(charge, fact.at)
