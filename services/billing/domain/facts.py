"""The facts of one subscription as billing keeps them: what upstream told, what people asked, what was decided."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from contracts.base import Frozen
from contracts.billing import RefundEffect
from contracts.values import Channel, Instant, Interval, Money, PaymentKind, Plan


class Fact(Frozen):
    """Something that happened at `at`; `fact_id` breaks ties alike in all services (Q2)."""

    fact_id: UUID
    at: Instant


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


class Failed(Fact):
    """An attempt to take money failed."""

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


class Canceled(Fact):
    """Automatic renewal was switched off; the fact_id is the cancellation_id."""

    fact: Literal["canceled"] = "canceled"
    channel: Channel
    reason: str | None = None


class Uncanceled(Fact):
    """Automatic renewal was switched on again."""

    fact: Literal["uncanceled"] = "uncanceled"
    channel: Channel


class ChargeRequested(Fact):
    """Verdict: we asked for the renewal of the period `renews`; once per period (Q4)."""

    fact: Literal["charge-requested"] = "charge-requested"
    charge_id: UUID
    renews: UUID
    period: Interval
    amount: Money
    charge_by: Instant
    #: Why it needs no proven reminder; None when the reminder is proven.
    waived: Literal["short_term", "unproven"] | None = None


class ChargeWithdrawn(Fact):
    """Verdict: the charge is not wanted any more."""

    fact: Literal["charge-withdrawn"] = "charge-withdrawn"
    charge_id: UUID
    renews: UUID
    reason: Literal["canceled", "paid_otherwise", "refunded", "ended"]


class ReminderProven(Fact):
    """The mail server accepted the reminder of the period `renews` that ends at `end`."""

    fact: Literal["reminder-proven"] = "reminder-proven"
    renews: UUID
    end: Instant


class CaseOpened(Fact):
    """Verdict: a refund case. `review`: it waits for an operator; else a rule approves it at once."""

    fact: Literal["case-opened"] = "case-opened"
    case_id: UUID
    order_id: str
    amount: Money
    requested_at: Instant
    review: bool


class CaseDeclined(Fact):
    """Verdict: a refund case, or one attempt at it, was closed without a refund."""

    fact: Literal["case-declined"] = "case-declined"
    case_id: UUID
    order_id: str
    amount: Money
    requested_at: Instant
    code: str
    opened: bool


class CaseApproved(Fact):
    """Verdict: the refund is initiated, with the effect as judged then (Q10)."""

    fact: Literal["case-approved"] = "case-approved"
    case_id: UUID
    order_id: str
    amount: Money
    requested_at: Instant
    refund_id: UUID
    effect: RefundEffect
    reason: Literal["refunded", "refunded_renewal"] = "refunded"
    #: The success that is paid back when it bought nothing: then there is no period behind it.
    refused_payment: UUID | None = None


class RefundSettled(Fact):
    """Upstream: the money of an order went back, on our request (`refund_id`) or by the provider alone."""

    fact: Literal["refund-settled"] = "refund-settled"
    order_id: str
    amount: Money
    full: bool
    refund_id: UUID | None = None
    requested_at: Instant | None = None


class RefundFailed(Fact):
    """Upstream: a refund that we requested was not carried out."""

    fact: Literal["refund-failed"] = "refund-failed"
    order_id: str
    refund_id: UUID
    reason: str


AnyFact = Annotated[
    Ordered
    | Paid
    | Failed
    | Canceled
    | Uncanceled
    | ChargeRequested
    | ChargeWithdrawn
    | ReminderProven
    | CaseOpened
    | CaseDeclined
    | CaseApproved
    | RefundSettled
    | RefundFailed,
    Field(discriminator="fact"),
]

#: Facts of one instant count in this order, whatever their order of arrival (Q2).
_RANK = {
    name: rank
    for rank, name in enumerate(
        (
            "ordered",
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
            "charge-withdrawn",
            "reminder-proven",
        )
    )
}


def canonical(fact: AnyFact) -> tuple[object, ...]:
    """The sort key of the canonical order."""
    return (fact.at, _RANK[fact.fact], fact.fact_id)
