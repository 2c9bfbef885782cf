"""One thing that licensing has to say: when, as of when, and the key that makes it said once."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from contracts.licensing import EntitlementEvent, LicensingEvent

#: All words about the entitlement have this name in their keys: which word was chosen is not what they tell.
ENTITLEMENT = "entitlement"

#: A hold by a dispute has this in its key: that it is over says nothing of a payment.
DISPUTED = "dispute"


@dataclass(frozen=True, slots=True)
class Announcement:
    """`event` with `fields`, to be said when `at` has come, true since `effective_at`."""

    key: str
    at: datetime
    effective_at: datetime
    event: type[LicensingEvent]
    fact_id: UUID
    policy_version: str
    fields: dict[str, object] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The short name of the event: `grace-started`."""
        return name_of(self.event)


def name_of(event: type[LicensingEvent]) -> str:
    """The type of an event without owner and version."""
    return event.TYPE.split(".")[1]


def key_for(event: type[LicensingEvent], subject: object, effective_at: datetime) -> str:
    """What tells an announcement from every other of its subscription."""
    name = ENTITLEMENT if issubclass(event, EntitlementEvent) else name_of(event)
    return f"{name}\n{subject}\n{effective_at.isoformat()}"


@dataclass(frozen=True, slots=True)
class KeyParts:
    """What a key was made of; `subject` ends in the period where it is about one."""

    name: str
    subject: str
    effective_at: str

    @property
    def disputed(self) -> bool:
        """Whether it is about a hold by a dispute."""
        return self.subject.startswith(DISPUTED)

    @property
    def period_id(self) -> UUID | None:
        """The period that it is about, None for an end of access."""
        last = self.subject.rsplit(" ", 1)[-1]
        return UUID(last) if "-" in last else None


def parts_of(key: str) -> KeyParts:
    """The parts of a key."""
    return KeyParts(*key.split("\n"))
