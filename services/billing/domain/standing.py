"""The standing of a subscription: periods, will, charges and refund cases, derived from the facts in order."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from contracts.policy import Policies, ProviderPolicy
from contracts.values import Money
from ledger.history import History, PaidPeriod, Will, last_of
from ledger.stage import Stage
from ledger.timeline import stage_at
from services.billing.domain import facts
from services.billing.domain.subscription import Subscription


@dataclass(slots=True)
class Charge:
    """The renewal charge of one period: open until it succeeds, fails for good or is withdrawn."""

    asked: facts.ChargeRequested
    open: bool = True
    #: Withdrawn because of a cancellation: it may be asked for again when that is withdrawn (Q4).
    canceled: bool = False


@dataclass(slots=True)
class Case:
    """A refund case and how far it came."""

    case_id: UUID
    order_id: str
    amount: Money
    requested_at: datetime
    opened: facts.CaseOpened | None = None
    declined: facts.CaseDeclined | None = None
    approved: facts.CaseApproved | None = None
    settled: facts.RefundSettled | None = None
    failed: facts.RefundFailed | None = None

    @property
    def waits(self) -> bool:
        """Whether it waits for an operator."""
        return self.opened is not None and self.declined is None and self.approved is None

    @property
    def is_open(self) -> bool:
        """Whether its money may still move."""
        return self.waits or (
            self.approved is not None and self.settled is None and self.failed is None
        )


@dataclass(slots=True)
class Standing:
    """What follows from the facts.

    `refused` and `bought` are by the fact_id of the payment, `charges` by charge_id.
    """

    subscription: Subscription
    policies: Policies
    history: History = field(default_factory=History)
    orders: dict[str, facts.Ordered] = field(default_factory=dict)
    bought: dict[UUID, UUID] = field(default_factory=dict)
    refused: dict[UUID, str] = field(default_factory=dict)
    waiting: list[facts.Paid] = field(default_factory=list)
    #: Refunds that nobody asked us for and whose effect is not decided yet.
    unasked: list[facts.RefundSettled] = field(default_factory=list)
    charges: dict[UUID, Charge] = field(default_factory=dict)
    cases: dict[UUID, Case] = field(default_factory=dict)
    proofs: dict[tuple[UUID, datetime], datetime] = field(default_factory=dict)

    def policy(self, version: str) -> ProviderPolicy:
        """The stamped policy version of this provider."""
        return self.policies.stamped(self.subscription.provider_id, version)

    def stage(self, instant: datetime) -> Stage | None:
        """The stage at an instant, by the facts counted so far."""
        return stage_at(self.history, self.policy, instant)

    @property
    def first_order(self) -> facts.Ordered | None:
        """The order that created the subscription."""
        return next(iter(self.orders.values()), None)

    @property
    def latest_order(self) -> facts.Ordered | None:
        """The order whose plan and price renewals follow: the latest one that was paid, else the first."""
        paid = {period.order_id for period in self.history.periods}
        chosen = self.first_order
        for order in self.orders.values():
            if order.order_id in paid:
                chosen = order
        return chosen

    def period(self, wanted: UUID) -> PaidPeriod | None:
        """A period by its id."""
        return next((p for p in self.history.periods if p.period_id == wanted), None)

    def period_of_order(self, order_id: str) -> PaidPeriod | None:
        """The period that an order bought."""
        return next((p for p in self.history.periods if p.order_id == order_id), None)

    def case_of_order(self, order_id: str) -> Case | None:
        """The refund case of an order, not counting attempts that failed the identity check (Q14)."""
        for case in self.cases.values():
            attempt = case.opened is None and case.declined is not None and not case.declined.opened
            mismatch = attempt and case.declined and case.declined.code == "IDENTITY_MISMATCH"
            refused = case.approved and case.approved.refused_payment
            if case.order_id == order_id and not refused and not mismatch:
                return case
        return None

    def charge_answered_by(self, fact: facts.Paid | facts.Failed) -> Charge | None:
        """The charge that a payment or failure answers."""
        if fact.charge_id is None:
            return None
        return self.charges.get(fact.charge_id)

    def failed_period(self, fact: facts.Failed) -> UUID | None:
        """The period that a failed attempt would have renewed."""
        charge = self.charge_answered_by(fact)
        if charge:
            return charge.asked.renews
        if fact.kind == "initial":
            return None
        last = last_of(p for p in self.history.periods if p.paid_at <= fact.at)
        return last.period_id if last else None

    def add_will(self, will: Will) -> None:
        """Count one more change of the customer's will."""
        self.history = self.history.with_will(will)

    def add_charged(self, fact_id: UUID, renews: UUID) -> None:
        """Remember that money was asked for after this period (Q8)."""
        self.history = self.history.with_charged(fact_id, renews)

    def set_period(self, period: PaidPeriod) -> None:
        """Add a period, or replace the one with its id."""
        self.history = self.history.with_period(period)

    @property
    def renewing(self) -> PaidPeriod | None:
        """The period that the next renewal follows: the last one that counts and is limited."""
        last = last_of(self.history.counting)
        return last if last and last.end else None
