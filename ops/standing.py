"""Where one subscription stands now: the ledger's timeline over what licensing knows."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from contracts.policy import Policies
from contracts.values import Money
from ledger.calendar import is_short
from ledger.history import History, PaidPeriod, last_of
from ledger.known import known_at
from ledger.stage import Stage
from ledger.timeline import timeline
from ops.subscriptions import Known

if TYPE_CHECKING:
    import asyncpg

_HISTORIES = TypeAdapter(History)
_HISTORY = "select history from licensing.read_licenses where subscription_id = $1"


@dataclass(frozen=True)
class NextCharge:
    """The charge that renews: `at` is None when it was asked for already, or the term is short."""

    amount: Money
    at: datetime | None
    requested: bool


@dataclass(frozen=True)
class Standing:
    """The header of a timeline; `stage` is None before anything was paid."""

    known: Known
    #: The instant that it is about.
    now: datetime
    stage: Stage | None
    ahead: tuple[Stage, ...]
    paid_through: datetime | None
    unlimited: bool
    auto_renew: bool
    next_charge: NextCharge | None
    #: The stack's clock, where it is about another instant.
    clock: datetime | None = None

    @property
    def status(self) -> str:
        """`active`, `grace`, `hold (dispute)`, `paused`, `expired (lapsed)`, or `not paid`."""
        return status_of(self.stage) if self.stage else "not paid"

    def to_json(self) -> dict[str, Any]:
        """The header as plain data."""
        charge = self.next_charge
        return {
            "subscription_id": str(self.known.id),
            "provider_id": self.known.provider_id,
            "reference": self.known.reference,
            "now": self.clock or self.now,
            "as_of": self.now,
            "status": self.stage.status if self.stage else None,
            "since": self.stage.anchor if self.stage else None,
            "reason": self.stage.reason if self.stage else None,
            "paid_through": self.paid_through,
            "unlimited": self.unlimited,
            "auto_renew": self.auto_renew,
            "next_charge": charge
            and {
                "amount": charge.amount.model_dump(),
                "at": charge.at,
                "requested": charge.requested,
            },
            "ahead": [{"status": s.status, "start": s.start} for s in self.ahead],
        }


def status_of(stage: Stage) -> str:
    """The status in words: why it expired, and what kind of hold it is."""
    if stage.status == "hold" and stage.runs:
        return "hold (dispute)"
    return f"{stage.status} ({stage.reason})" if stage.reason else stage.status


async def read_history(connection: "asyncpg.Connection", known: Known) -> History:
    """What licensing knows of a subscription; empty before it was told anything."""
    body = await connection.fetchval(_HISTORY, known.id)
    return _HISTORIES.validate_json(body) if body else History()


def standing(
    known: Known,
    history: History,
    policies: Policies,
    now: datetime,
    clock: datetime | None = None,
) -> Standing:
    """The standing that follows from a history, judged by the stamped policies.

    With `clock`, the present, it is the standing at another instant `now`: by what had happened until
    then; what lies ahead is what lies ahead of the earlier of the two.
    """
    if clock:
        history = known_at(history, now)
    stages = timeline(history, lambda version: policies.stamped(known.provider_id, version))
    begun = [stage for stage in stages if stage.start <= now]
    return Standing(
        known=known,
        now=now,
        stage=begun[-1] if begun else None,
        ahead=tuple(stage for stage in stages if stage.start > min(now, clock or now)),
        paid_through=history.paid_through,
        unlimited=any(period.end is None for period in history.counting),
        auto_renew=history.auto_renew,
        next_charge=_next_charge(known, history, policies, begun[-1] if begun else None, now),
        clock=clock,
    )


def _next_charge(
    known: Known, history: History, policies: Policies, stage: Stage | None, now: datetime
) -> NextCharge | None:
    """The charge for what follows the last paid period.

    None while money is disputed (Q16), or once it was asked for and came to nothing (Q4).
    """
    last: PaidPeriod | None = last_of(history.counting)
    point = history.renewal_point(last) if last else None
    if last is None or point is None or stage is None or stage.status == "expired":
        return None
    policy = policies.stamped(known.provider_id, last.policy_version)
    if policy.charge != "by_us" or not history.auto_renew:
        return None
    if any(dispute.closed_at is None for dispute in history.disputes):
        return None
    asked = [one for one in history.asked if one.renews == last.period_id]
    requested = any(one.closed_at is None for one in asked)
    known_at = not requested and not is_short(last.plan.term)
    at = max(point - policy.renewal_charge_lead, last.begins) if known_at else None
    if asked and not requested and (at is None or at <= now):
        return None
    return NextCharge(last.amount, at, requested)
