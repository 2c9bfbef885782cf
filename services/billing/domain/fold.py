"""The fold: a subscription's facts, in canonical order, become its standing."""

from contracts.policy import Policies
from ledger.history import Will
from services.billing.domain import facts
from services.billing.domain.fold_payments import count_payment
from services.billing.domain.fold_refunds import count_refund
from services.billing.domain.standing import Charge, Standing
from services.billing.domain.subscription import Subscription


def standing(subscription: Subscription, policies: Policies) -> Standing:
    """Fold the facts in canonical order. Any order of arrival gives the same standing."""
    result = Standing(subscription, policies)
    known = subscription.facts
    result.orders = {fact.order_id: fact for fact in known if isinstance(fact, facts.Ordered)}
    accepted = {
        fact.order_id: fact.fact_id
        for fact in known
        if isinstance(fact, facts.Paid) and fact.verdict == "accepted"
    }
    asked = {fact.refund_id: fact for fact in known if isinstance(fact, facts.CaseApproved)}
    for fact in known:
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
                result.charges[fact.charge_id] = Charge(fact)
                result.add_charged(fact.fact_id, fact.renews)
            case facts.ChargeWithdrawn():
                charge = result.charges[fact.charge_id]
                charge.open, charge.canceled = False, fact.reason == "canceled"
            case facts.ReminderProven():
                result.proofs.setdefault((fact.renews, fact.end), fact.at)
            case _:
                count_refund(result, fact, asked)
    return result


def _ordered(result: Standing, fact: facts.Ordered) -> None:
    if fact is result.first_order:
        result.add_will(
            Will(fact_id=fact.fact_id, at=fact.at, auto_renew=fact.auto_renew, reason="ordered"),
        )


def _failed(result: Standing, fact: facts.Failed) -> None:
    renewed = result.failed_period(fact)
    if renewed:
        result.add_charged(fact.fact_id, renewed)
    charge = result.charge_answered_by(fact)
    if charge and fact.final:
        charge.open = False
