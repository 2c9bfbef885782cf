"""How a payment counts: it buys a period, is refused, or waits for its order."""

from uuid import UUID

from contracts.values import Plan, period_id
from ledger.bounds import Bounds, bounds_from, bounds_from_end, bounds_given, overlap
from ledger.history import PaidPeriod, Will, last_of
from services.billing.domain import facts
from services.billing.domain.fold_pauses import end_with_subscription, keep_behind_pauses
from services.billing.domain.settings import Terms, mark_paid, terms_of
from services.billing.domain.standing import Charge, Standing


def count_payment(result: Standing, fact: facts.Paid, accepted: dict[str | UUID, UUID]) -> None:
    """A success buys a period (by hand or automatically, S-11), is refused with a code, or waits for its order.

    `accepted`: the payment whose acceptance was told, by order_id and by charge_id.
    """
    order = result.orders.get(fact.order_id) if fact.kind == "initial" else result.latest_order
    if order is None:
        result.waiting.append(fact)
        return
    end_with_subscription(result, fact.at)
    charge = result.charge_answered_by(fact)
    terms = _terms(result, order, charge)
    bounds = _bounds(result, fact, terms)
    code = _refusal(result, fact, order, bounds, accepted)
    if code:
        result.refused[fact.fact_id] = code
        return
    period = _new_period(result, fact, order, terms.plan, bounds)
    if charge and charge.open:
        result.close_charge(charge, fact.at)
    result.set_period(period)
    mark_paid(result, order.order_id, charge.asked.at if charge else fact.at, period.period_id)
    keep_behind_pauses(result)
    result.bought[fact.fact_id] = period.period_id
    if fact.kind == "initial" and order is not result.first_order:
        result.add_will(
            Will(fact_id=fact.fact_id, at=fact.at, auto_renew=order.auto_renew, reason="ordered"),
        )


def _terms(result: Standing, order: facts.Ordered, charge: Charge | None) -> Terms:
    """Plan and price in force; a charge that was asked for keeps its own."""
    if charge:
        return Terms(charge.asked.plan, charge.asked.amount, order.billing_tz)
    return terms_of(result, order)


def _refusal(
    result: Standing,
    fact: facts.Paid,
    order: facts.Ordered,
    bounds: Bounds,
    accepted: dict[str | UUID, UUID],
) -> str | None:
    """Why a success buys nothing; None when it does. A verdict that was told stays (idea 1)."""
    if fact.verdict == "accepted":
        return None
    if fact.verdict:
        return fact.verdict
    other = accepted.get(fact.order_id)
    if (other and other != fact.fact_id) or result.period_of_order(fact.order_id):
        return "ORDER_ALREADY_PAID"
    charged = accepted.get(fact.charge_id) if fact.charge_id else None
    if charged and charged != fact.fact_id:
        return "RENEWAL_ALREADY_PAID"
    if fact.kind == "initial" and fact.amount != order.amount:
        return "AMOUNT_MISMATCH"
    if fact.kind == "renewal":
        stage = result.stage(fact.at)
        if stage and stage.status == "expired" and stage.reason not in ("lapsed", "payment_failed"):
            return "SUBSCRIPTION_ENDED"
        if _renewed_already(result, fact):
            return "RENEWAL_ALREADY_PAID"
    return None if _fits(result, fact, bounds) else "PERIOD_MISMATCH"


def _renewed_already(result: Standing, fact: facts.Paid) -> bool:
    """Whether the period that this renewal is for has, or had, its successor (Q5)."""
    charge = result.charge_answered_by(fact)
    renewed = result.period(charge.asked.renews) if charge else None
    if renewed is None:
        return any(p.start > fact.at for p in result.history.counting)
    return any(
        p.start == result.history.renewal_point(renewed)
        or (p.ordinal > renewed.ordinal and p.begins <= fact.at)
        for p in result.history.periods
        if p.period_id != renewed.period_id
    )


def _fits(result: Standing, fact: facts.Paid, bounds: Bounds) -> bool:
    """Whether a given period is one that we can take (Q3): free time, or the one that we computed."""
    given = fact.given
    if given is None:
        return True
    if fact.kind in ("initial", "prepayment"):
        limited = [p for p in result.history.counting if p.end]
        return not any(overlap(bounds, p) for p in limited)
    charge = result.charge_answered_by(fact)
    asked = charge.asked.period if charge else None
    return any(
        (given.start, given.end or own.end) == (own.start, own.end)
        for own in (bounds, asked)
        if own
    )


def _bounds(result: Standing, fact: facts.Paid, terms: Terms) -> Bounds:
    """Where the paid period lies: given, after the last one, or from now (Q3, S-14b, T14, T27)."""
    term, tz = terms.plan.term, terms.billing_tz
    if fact.given and fact.kind in ("initial", "prepayment"):
        return bounds_given(fact.given.start, fact.given.end, term, tz)
    counting = [p for p in result.history.periods if p.counts_at(fact.at)]
    last = last_of(counting)
    if last and last.end is None:  # what is bought beside an open period follows its own kind
        last = last_of(p for p in counting if p.end and p.end > fact.at)
    if last and last.end:
        stage = result.stage(fact.at)
        live = stage is not None and stage.status in ("active", "grace", "paused")
        if live or last.end > fact.at:
            return bounds_from_end(result.history, last, term, tz)
    return bounds_from(fact.at, term, tz)


def _new_period(
    result: Standing, fact: facts.Paid, order: facts.Ordered, plan: Plan, bounds: Bounds
) -> PaidPeriod:
    return PaidPeriod(
        fact_id=fact.fact_id,
        period_id=period_id(result.subscription.subscription_id, fact.order_id),
        order_id=fact.order_id,
        kind=fact.kind,
        ordinal=len(result.history.periods) + 1,
        amount=fact.amount,
        plan=plan,
        ordered_at=order.at if fact.kind == "initial" else fact.at,
        paid_at=fact.at,
        start=bounds.start,
        end=bounds.end,
        basis=bounds.basis,
        policy_version=fact.policy_version,
        anchor=bounds.anchor,
        step=bounds.step,
    )
