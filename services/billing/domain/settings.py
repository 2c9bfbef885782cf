"""Settings: plan and price in force, and when a change of them takes effect (S-01, Q25, Q26)."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from contracts import payments
from contracts.values import Money, Plan
from ledger.seats import SeatChange
from services.billing.domain import facts
from services.billing.domain.standing import Change, Standing


@dataclass(frozen=True, slots=True)
class Terms:
    """What a payment buys, at which price."""

    plan: Plan
    amount: Money
    billing_tz: str


def settings_fact(
    fact_id: UUID, at: datetime, data: payments.SettingsChanged
) -> facts.SettingsChanged:
    """What the customer changed at the provider."""
    return facts.SettingsChanged(
        fact_id=fact_id,
        at=at,
        seats=data.seats,
        term=data.term,
        product_id=data.product_id,
        amount=data.amount,
    )


def terms_of(known: Standing, order: facts.Ordered) -> Terms:
    """Plan and price of an order, with the settings that changed since, by the facts counted so far."""
    terms = Terms(order.plan, order.amount, order.billing_tz)
    for change in known.changes:
        if change.order_id == order.order_id:
            terms = replace(
                terms,
                plan=changed_plan(terms.plan, change.fact),
                amount=change.fact.amount or terms.amount,
            )
    return terms


def terms_in_force(known: Standing) -> Terms | None:
    """What a renewal buys, at which price: the latest order that was paid, with its settings; None without one."""
    order = known.latest_order
    return terms_of(known, order) if order else None


def changed_plan(plan: Plan, fact: facts.SettingsChanged) -> Plan:
    """The plan with the settings that a fact tells."""
    return plan.model_copy(
        update={
            "seats": fact.seats or plan.seats,
            "term": fact.term or plan.term,
            "product_id": fact.product_id or plan.product_id,
        }
    )


def count_settings(result: Standing, fact: facts.SettingsChanged) -> None:
    """Settings of the order in force changed: fewer seats with the end of the period that runs, more at once."""
    order = result.latest_order
    if order is None:
        return
    before = terms_of(result, order)
    running = result.running(fact.at)
    fewer = False
    if running and fact.seats and running.end:
        history = replace(result.history, seat_changes=seat_changes(result))
        fewer = fact.seats < history.seats_at(running, fact.at)
    result.changes.append(
        Change(
            fact=fact,
            order_id=order.order_id,
            before=before.plan,
            price_before=before.amount,
            seats_after=running.period_id if running and fewer else None,
        )
    )


def seat_changes(known: Standing) -> tuple[SeatChange, ...]:
    """Every change of seats, as of where the periods lie by the facts counted so far."""
    return tuple(
        SeatChange(
            change.fact.fact_id, change.fact.at, seats_effective(known, change), change.fact.seats
        )
        for change in known.changes
        if change.fact.seats
    )


def seats_effective(known: Standing, change: Change) -> datetime:
    """When a change of seats counts: at once, or from the end of the period that ran then (Q25)."""
    ran = known.period(change.seats_after) if change.seats_after else None
    return (ran.end if ran else None) or change.fact.at


def rest_effective(known: Standing, change: Change) -> datetime:
    """When term, product and price count: with the first period paid with them, or foreseen so (Q26)."""
    paid = known.period(change.paid_with) if change.paid_with else None
    if paid:
        return max(paid.start, change.fact.at)
    last = known.renewing
    point = known.history.renewal_point(last) if last else None
    return max(point or change.fact.at, change.fact.at)


def mark_paid(result: Standing, order_id: str, asked_at: datetime, period_id: UUID) -> None:
    """Remember the first period that was paid with settings that had changed when it was asked for."""
    for change in result.changes:
        if (change.order_id, change.paid_with) == (order_id, None) and change.fact.at <= asked_at:
            change.paid_with = period_id
