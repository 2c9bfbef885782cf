"""How disputes count: the money is under dispute, stays, or is gone (T22, Q16)."""

from ledger import open_money
from ledger.history import Taken
from services.billing.domain import facts
from services.billing.domain.disputes import Dispute, DisputeFact
from services.billing.domain.fold_takings import give_back, take
from services.billing.domain.standing import Standing


def count_dispute(result: Standing, fact: DisputeFact) -> None:
    """One step of a dispute."""
    dispute = result.disputes.setdefault(fact.dispute_id, Dispute(fact.dispute_id, fact.order_id))
    match fact:
        case facts.DisputeOpened():
            dispute.opened = dispute.opened or fact
        case facts.DisputeWon():
            dispute.decisions.append(fact)
            give_back(result, dispute.order_id, fact.at, fact.fact_id)
        case facts.DisputeLost():
            dispute.decisions.append(fact)


def count_loss(result: Standing, fact: facts.MoneyLost) -> None:
    """The verdict about money that is gone takes away what it bought."""
    result.losses[fact.told_by] = fact
    taken = Taken(fact.fact_id, fact.at, fact.reason, fact.before_start)
    take(result, fact.order_id, taken, fact.effect)


def count_open_disputes(result: Standing) -> None:
    """Keep in the history since when the money of which period is disputed, once all is folded."""
    for dispute in result.disputes.values():
        period, opened = result.period_of_order(dispute.order_id), dispute.opened
        if period is None or opened is None:
            continue
        at = max(opened.at, period.paid_at)
        closed_at = max(at, dispute.decisions[0].at) if dispute.decisions else None
        result.history = result.history.with_dispute(
            open_money.Dispute(opened.fact_id, dispute.dispute_id, period.period_id, at, closed_at)
        )
