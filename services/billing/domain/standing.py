"""The standing of a subscription: periods, will, charges and refund cases, derived from the facts in order."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal
from uuid import UUID

from contracts.policy import Policies, ProviderPolicy
from contracts.values import Money, Plan
from ledger.history import History, PaidPeriod, Will, last_of
from ledger.open_money import Asked
from ledger.stage import Stage
from ledger.timeline import stage_at
from services.billing.domain import facts
from services.billing.domain.disputes import Dispute
from services.billing.domain.subscription import Subscription

if TYPE_CHECKING:  # a refusal names the link of a standing
    from services.billing.domain.refusal import Refusal


@dataclass(slots=True)
class Charge:
    """The renewal charge of one period: open until it succeeds, fails for good or is withdrawn."""

    asked: facts.ChargeRequested
    open: bool = True
    #: Withdrawn for a reason that may pass: then it may be asked for again, under a new id (Q4).
    again: bool = False


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


@dataclass(frozen=True, slots=True)
class Move:
    """Why paid time was moved: the fact that fixed by how much, and since when it counts."""

    reason: Literal["pause", "goodwill"]
    fact_id: UUID
    at: datetime

    def __str__(self) -> str:
        return f"{self.reason}:{self.fact_id}"


@dataclass(slots=True)
class Change:
    """Settings that changed: those of `order_id`, from `before`; the rest counts with the next payment."""

    fact: facts.SettingsChanged
    order_id: str
    before: Plan
    price_before: Money
    #: The period at whose end fewer seats begin; None: at once.
    seats_after: UUID | None = None
    #: The first period that was paid with it.
    paid_with: UUID | None = None


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
    #: By the fact_id of a failed attempt: the period that it would have renewed.
    failures: dict[UUID, UUID] = field(default_factory=dict)
    cases: dict[UUID, Case] = field(default_factory=dict)
    disputes: dict[str, Dispute] = field(default_factory=dict)
    #: Verdicts about money that is gone, by the fact that told it.
    losses: dict[UUID, facts.MoneyLost] = field(default_factory=dict)
    #: The fact by which a period was given back, by the fact that had taken it.
    given_back: dict[UUID, UUID] = field(default_factory=dict)
    handed_over: list[facts.HandedOver] = field(default_factory=list)
    #: By the period renewed and its end: when its reminder was accepted, and when it went out late.
    proofs: dict[tuple[UUID, datetime], datetime] = field(default_factory=dict)
    reminded_late: dict[tuple[UUID, datetime], datetime] = field(default_factory=dict)
    #: By pause_id: the fact that ended it before it was to resume.
    pause_ends: dict[UUID, UUID] = field(default_factory=dict)
    #: By the fact_id of a request made at the provider: why it changed nothing.
    refusals: dict[UUID, "Refusal"] = field(default_factory=dict)
    #: By period_id: what moved it, in order.
    moves: dict[UUID, tuple[Move, ...]] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)

    def policy(self, version: str) -> ProviderPolicy:
        """The stamped policy version of this provider."""
        return self.policies.stamped(self.subscription.provider_id, version)

    def policy_at(self, instant: datetime) -> ProviderPolicy:
        """The pack of the period that runs at an instant, else of the last one, else of the order.

        Raises ValueError without an order.
        """
        period = self.running(instant) or next(reversed(self.history.periods), None)
        stamped = period or self.first_order
        if stamped is None:
            raise ValueError("no order")
        return self.policy(stamped.policy_version)

    def stage(self, instant: datetime) -> Stage | None:
        """The stage at an instant, by the facts counted so far."""
        return stage_at(self.history, self.policy, instant)

    @property
    def first_order(self) -> facts.Ordered | None:
        """The order that created the subscription."""
        return next(iter(self.orders.values()), None)

    @property
    def order_policy(self) -> ProviderPolicy:
        """The policy stamped on the first order. Raises ValueError without one."""
        if self.first_order is None:
            raise ValueError("no order")
        return self.policy(self.first_order.policy_version)

    @property
    def latest_order(self) -> facts.Ordered | None:
        """The order whose plan and price renewals follow: the latest one that was paid, else the first."""
        paid = {period.order_id for period in self.history.periods}
        chosen = self.first_order
        for order in self.orders.values():
            if order.order_id in paid:
                chosen = order
        return chosen

    def running(self, instant: datetime) -> PaidPeriod | None:
        """The paid period that runs at an instant."""
        covering = [period for period in self.history.periods if period.covers(instant)]
        return max(covering, key=lambda period: period.begins, default=None)

    def period(self, wanted: UUID) -> PaidPeriod | None:
        """A period by its id."""
        return next((p for p in self.history.periods if p.period_id == wanted), None)

    def period_of_order(self, order_id: str) -> PaidPeriod | None:
        """The period that an order bought."""
        return next((p for p in self.history.periods if p.order_id == order_id), None)

    def billing_tz(self, order_id: str) -> str:
        """The time zone that calendar steps of an order are made in (Q21)."""
        order = self.orders.get(order_id) or self.first_order
        return order.billing_tz if order else "UTC"

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
        """The period that a failed attempt would have renewed, by the facts counted before it."""
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

    def add_charge(self, fact: facts.ChargeRequested) -> None:
        """Count a charge as asked for and unanswered (Q7)."""
        self.charges[fact.charge_id] = Charge(fact)
        self.add_charged(fact.fact_id, fact.renews)
        self.history = self.history.with_asked(Asked(fact.fact_id, fact.renews, fact.at))

    def close_charge(self, charge: Charge, at: datetime) -> None:
        """Count a charge as answered or withdrawn."""
        charge.open = False
        asked = Asked(charge.asked.fact_id, charge.asked.renews, charge.asked.at, at)
        self.history = self.history.with_asked(asked)

    @property
    def dispute_open(self) -> bool:
        """Whether the bank has any money of the subscription under dispute (Q16)."""
        return any(dispute.is_open for dispute in self.disputes.values())

    def charged_back(self, order_id: str) -> bool:
        """Whether the bank took the money of an order back, for all that was heard so far."""
        return any(
            dispute.is_lost for dispute in self.disputes.values() if dispute.order_id == order_id
        )

    def move(self, history: History, move: Move) -> None:
        """Take over a history in which periods were moved, and remember why."""
        before = {period.period_id: period for period in self.history.periods}
        for period in history.periods:
            if before[period.period_id] != period:
                told = self.moves.get(period.period_id, ())
                self.moves[period.period_id] = (*told, move)
        self.history = history

    def set_period(self, period: PaidPeriod) -> None:
        """Add a period, or replace the one with its id."""
        self.history = self.history.with_period(period)

    @property
    def renewing(self) -> PaidPeriod | None:
        """The period that the next renewal follows: the last one that counts and is limited."""
        last = last_of(self.history.counting)
        return last if last and last.end else None
