"""The facts of one subscription as billing keeps them: what upstream told, what people asked, what was decided."""

from dataclasses import dataclass
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from contracts.billing import RefundEffect
from contracts.values import Instant, Interval, Money, PaymentKind, Plan
from services.billing.domain.charge_facts import (
    ChargeRequested,
    ChargeWithdrawn,
    RemindedLate,
    ReminderProven,
)
from services.billing.domain.fact import Fact
from services.billing.domain.will_facts import (
    Canceled,
    Extended,
    HandedOver,
    PauseRequested,
    ResumeRequested,
    SettingsChanged,
    Uncanceled,
)

__all__ = (
    "AnyFact", "Canceled", "CaseApproved", "CaseDeclined", "CaseOpened", "ChargeRequested",
    "ChargeWithdrawn", "DisputeLost", "DisputeOpened", "DisputeWon", "Extended", "Fact",
    "Failed", "HandedOver", "MoneyLost", "Ordered", "Paid", "PauseRequested", "RefundFailed",
    "RefundSettled", "RemindedLate", "ReminderProven", "ResumeRequested", "SettingsChanged",
    "Uncanceled", "canonical",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered(Fact):
    """A customer ordered; the contact is kept elsewhere, here only digests of it."""

    fact: Literal["ordered"] = "ordered"
    order_id: str
    customer_id: UUID
    plan: Plan
    amount: Money
    auto_renew: bool
    billing_tz: str
    name_digest: str
    email_digest: str
    policy_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid(Fact):
    """Money arrived. `verdict` is stamped once told: accepted, or the code it was refused with."""

    fact: Literal["paid"] = "paid"
    order_id: str
    kind: PaymentKind
    amount: Money
    given: Interval | None = None
    charge_id: UUID | None = None
    received_at: Instant
    policy_version: str
    verdict: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(Fact):
    """An attempt to take money failed; before the end that changes nothing (S-36)."""

    fact: Literal["failed"] = "failed"
    order_id: str
    kind: PaymentKind
    amount: Money
    charge_id: UUID | None = None
    attempt: int
    hard_decline: bool
    next_attempt_at: Instant | None = None
    reason: str

    @property
    def final(self) -> bool:
        """Whether the payment system will not try again."""
        return self.hard_decline or self.next_attempt_at is None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseOpened(Fact):
    """Verdict: a refund case. `review`: it waits for an operator; else a rule approves it at once."""

    fact: Literal["case-opened"] = "case-opened"
    case_id: UUID
    order_id: str
    amount: Money
    requested_at: Instant
    review: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseDeclined(Fact):
    """Verdict: a refund case, or one attempt at it, was closed without a refund."""

    fact: Literal["case-declined"] = "case-declined"
    case_id: UUID
    order_id: str
    amount: Money
    requested_at: Instant
    code: str
    opened: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseApproved(Fact):
    """Verdict: the refund is initiated, with the effect as judged then (Q10).

    For a refund that the provider made by itself, `refund_id` is the fact_id that told it.
    """

    fact: Literal["case-approved"] = "case-approved"
    case_id: UUID
    order_id: str
    amount: Money
    requested_at: Instant
    refund_id: UUID
    effect: RefundEffect
    reason: Literal["refunded", "refunded_renewal"] = "refunded"
    #: Initiated before the period began: it is voided, otherwise revoked.
    before_start: bool = False
    #: The success that is paid back when it bought nothing: then there is no period behind it.
    refused_payment: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundSettled(Fact):
    """Upstream: the money of an order went back, on our request (`refund_id`) or by the provider alone."""

    fact: Literal["refund-settled"] = "refund-settled"
    order_id: str
    amount: Money
    full: bool
    refund_id: UUID | None = None
    requested_at: Instant | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundFailed(Fact):
    """Upstream: a refund that we requested was not carried out."""

    fact: Literal["refund-failed"] = "refund-failed"
    order_id: str
    refund_id: UUID
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeOpened(Fact):
    """Upstream: the customer's bank asks for the money of an order back."""

    fact: Literal["dispute-opened"] = "dispute-opened"
    dispute_id: str
    order_id: str
    amount: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeWon(Fact):
    """Upstream: the dispute was decided, the money stays."""

    fact: Literal["dispute-won"] = "dispute-won"
    dispute_id: str
    order_id: str
    amount: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeLost(Fact):
    """Upstream: the dispute was decided, the money is gone (chargeback)."""

    fact: Literal["dispute-lost"] = "dispute-lost"
    dispute_id: str
    order_id: str
    amount: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyLost(Fact):
    """Verdict: money is gone by a lost dispute, or by a refund that settled after it had failed.

    The effect is as judged then; the fact that told the loss is `told_by`.
    """

    fact: Literal["money-lost"] = "money-lost"
    told_by: UUID
    order_id: str
    effect: RefundEffect
    reason: Literal["refunded", "refunded_renewal", "chargeback"]
    before_start: bool = False
    dispute_id: str | None = None
    case_id: UUID | None = None


AnyFact = Annotated[
    Ordered
    | Paid
    | Failed
    | Canceled
    | Uncanceled
    | ChargeRequested
    | ChargeWithdrawn
    | RemindedLate
    | ReminderProven
    | CaseOpened
    | CaseDeclined
    | CaseApproved
    | RefundSettled
    | RefundFailed
    | DisputeOpened
    | DisputeWon
    | DisputeLost
    | MoneyLost
    | HandedOver
    | PauseRequested
    | ResumeRequested
    | Extended
    | SettingsChanged,
    Field(discriminator="fact"),
]

#: Facts of one instant count in this order, whatever their order of arrival (Q2).
_RANK = {
    name: rank
    for rank, name in enumerate(
        (
            "ordered",
            "settings-changed",
            "charge-requested",
            "paid",
            "failed",
            "canceled",
            "uncanceled",
            "case-opened",
            "case-declined",
            "case-approved",
            "refund-settled",
            "refund-failed",
            "dispute-opened",
            "dispute-won",
            "dispute-lost",
            "money-lost",
            "handed-over",
            "pause-requested",
            "resume-requested",
            "extended",
            "charge-withdrawn",
            "reminded-late",
            "reminder-proven",
        )
    )
}


def canonical(fact: AnyFact) -> tuple[object, ...]:
    """The sort key of the canonical order; at one instant, the initial payment comes first."""
    later = isinstance(fact, Paid) and fact.kind != "initial"
    return (fact.at, _RANK[fact.fact], later, fact.fact_id)
