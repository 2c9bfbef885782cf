"""The facts of renewals as billing keeps them: charges asked for and withdrawn, reminders late and proven."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from contracts.values import Instant, Interval, Money, Plan, WithdrawalReason
from services.billing.domain.fact import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeRequested(Fact):
    """Verdict: we asked for the renewal of the period `renews`; once per period (Q4)."""

    fact: Literal["charge-requested"] = "charge-requested"
    charge_id: UUID
    renews: UUID
    period: Interval
    #: What its payment buys: settings that change later do not change a charge that is open.
    plan: Plan
    amount: Money
    charge_by: Instant
    #: Why it needs no proven reminder; None when the reminder is proven.
    waived: Literal["short_term", "unproven"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeWithdrawn(Fact):
    """Verdict: the charge is not wanted any more."""

    fact: Literal["charge-withdrawn"] = "charge-withdrawn"
    charge_id: UUID
    renews: UUID
    reason: WithdrawalReason


@dataclass(frozen=True, slots=True, kw_only=True)
class RemindedLate(Fact):
    """Verdict: the reminder of the period `renews` that ends at `end` goes out when its charge is due (Q19)."""

    fact: Literal["reminded-late"] = "reminded-late"
    renews: UUID
    end: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class ReminderProven(Fact):
    """The mail server accepted the reminder of the period `renews` that ends at `end`."""

    fact: Literal["reminder-proven"] = "reminder-proven"
    renews: UUID
    end: Instant
