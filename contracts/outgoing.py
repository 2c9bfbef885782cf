"""What a decision wants to say: messages without an envelope, with ids that follow from their cause."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from contracts.base import Data
from contracts.envelope import effect_id


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to be published; the chassis adds topic, sequence, correlation and our clock."""

    id: UUID
    data: Data
    key: str
    provider_id: str
    time: datetime
    policy_version: str | None = None


@dataclass(frozen=True, slots=True)
class TimePassed:
    """The deadline of a subscription has come: time is a message like any other."""

    cause_id: UUID
    #: The trace that begins with it, where one is recorded.
    traceparent: str | None = None


@dataclass(slots=True)
class Speaker:
    """Collects what one decision says, in order; positions count per cause.

    One `decide` call makes one Speaker, so the same cause always yields the same ids.
    """

    service: str
    cause_id: UUID
    key: str
    provider_id: str
    said: list[Outgoing] = field(default_factory=list)

    def say(
        self,
        data: Data,
        time: datetime,
        *,
        policy_version: str | None = None,
        key: str | None = None,
    ) -> UUID:
        """Add one message that became true at `time` and return its id."""
        id = effect_id(self.cause_id, self.service, len(self.said))
        self.said.append(
            Outgoing(id, data, key or self.key, self.provider_id, time, policy_version)
        )
        return id
