"""The answer to a command: the facts that it makes, or a refusal that changes nothing."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from contracts.billing import CommandRefused
from services.billing.domain import facts
from services.billing.domain.standing import Standing


@dataclass(frozen=True, slots=True)
class Refusal:
    """A "no": nothing changes, the command's sender gets code and sentence."""

    code: str
    sentence: str
    case_id: UUID | None = None
    link: str | None = None
    available_from: datetime | None = None

    def event(self, command: str, cause_id: UUID, now: datetime) -> CommandRefused:
        """The event that answers the command."""
        return CommandRefused(
            fact_id=cause_id,
            effective_at=now,
            command=command,
            code=self.code,
            sentence=self.sentence,
            case_id=self.case_id,
            link=self.link,
            available_from=self.available_from,
        )


Verdict = tuple[facts.AnyFact, ...] | Refusal


def management_link(known: Standing) -> str:
    """Where the customer manages the subscription at the provider (S-54)."""
    periods, order = known.history.periods, known.first_order
    if order is None:
        raise ValueError("no order")
    version = periods[-1].policy_version if periods else order.policy_version
    return known.policy(version).link(known.subscription.reference)
