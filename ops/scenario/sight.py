"""Where a subscription stands, as billing and licensing know it: what expectations are judged by."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from contracts.policy import Policies, ProviderPolicy
from ledger.access import Access, access_at, days_remaining
from ledger.history import History
from ledger.stage import Stage
from ledger.timeline import timeline
from services.billing.domain.fold import standing
from services.billing.domain.renewals import due_charge, recoverable_until
from services.billing.domain.subscription import Subscription


@dataclass(frozen=True)
class Sight:
    """What billing and licensing know of one subscription at `now`."""

    subscription: Subscription
    history: History
    provider_id: str
    policies: Policies
    now: datetime

    @property
    def _policy_of(self) -> Callable[[str], ProviderPolicy]:
        return lambda version: self.policies.stamped(self.provider_id, version)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The timeline by what licensing knows."""
        return timeline(self.history, self._policy_of)

    @property
    def billing_stages(self) -> tuple[Stage, ...]:
        """The timeline by billing's own facts; the two must be the same."""
        known = standing(self.subscription, self.policies)
        return timeline(known.history, self._policy_of)

    def stage(self) -> Stage | None:
        """The stage of now; None before anything was paid."""
        begun = [stage for stage in self.stages if stage.start <= self.now]
        return begun[-1] if begun else None

    def access(self, instant: datetime) -> Access | None:
        """What may be used at an instant."""
        return access_at(self.history, self._policy_of, instant)

    @property
    def unlimited(self) -> bool:
        """Whether paid time has no end."""
        return any(period.end is None for period in self.history.counting)

    def days_remaining(self) -> int | Literal["unlimited"]:
        """Whole days left of paid time (S-22)."""
        days = days_remaining(self.history, self.now)
        return "unlimited" if days is None else days

    def next_charge(self) -> datetime | Literal["none", "asked"]:
        """When the renewal will be asked for (S-51); `asked` while a charge is unanswered."""
        known = standing(self.subscription, self.policies)
        if known.first_order is None:
            return "none"
        if any(charge.open for charge in known.charges.values()):
            return "asked"
        due = due_charge(known, self.now)
        if due is None or self.now >= recoverable_until(known, due.period):
            return "none"
        return due.at
