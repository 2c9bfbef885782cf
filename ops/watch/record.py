"""What billing, licensing and notifications told about one subscription, as small as the checks allow."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from ops.watch.sequences import Sequence

_ALWAYS = datetime.max.replace(tzinfo=UTC)


class At(NamedTuple):
    """When a message was told, by the broker's time, and when we read it, by our steady clock."""

    told_ms: int
    heard_ms: int


@dataclass(slots=True)
class Period:
    """A paid period as billing told it last; away from `gone_at` until `back_at`, by the event `gone_by`."""

    event_id: str
    #: The broker's time of that event.
    told_ms: int
    paid_at: datetime
    start: datetime
    end: datetime | None
    gone_at: datetime | None = None
    back_at: datetime | None = None
    gone_by: str = ""

    def spans(self, instant: datetime) -> bool:
        """Whether the instant lies in what was bought, taken away or not."""
        return max(self.start, self.paid_at) <= instant < (self.end or _ALWAYS)

    def is_away(self, instant: datetime) -> bool:
        """Whether it was taken away at the instant."""
        return self.gone_at is not None and self.gone_at <= instant < (self.back_at or _ALWAYS)


@dataclass(slots=True)
class Entitled:
    """The entitlement that licensing told last; `as_of` is licensing's clock then."""

    event_id: str
    state: str
    as_of: datetime
    sequence: int
    paid_through: datetime | None

    @property
    def works(self) -> bool:
        """Whether everything that was bought works."""
        return self.state in ("active", "grace")


@dataclass(slots=True)
class Charge:
    """A renewal charge; `closed`: not wanted, failed for good, or paid back."""

    event_id: str
    renews: UUID
    heard_ms: int
    at: datetime
    closed: bool = False
    payments: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Unconfirmed:
    """A first payment whose confirmation has not ended yet."""

    order_id: str
    at: At


@dataclass(slots=True)
class Record:
    """One subscription. Instants are business time and only compared with each other."""

    provider_id: str = ""
    periods: dict[UUID, Period] = field(default_factory=dict)
    entitled: Entitled | None = None
    #: When billing or licensing was last heard to tell what access follows from.
    moved_ms: int = 0
    #: Billing's clock when it last told something about paid time.
    billing_clock: datetime | None = None
    #: Pauses and disputes that are open: licensing may hold access for them.
    holds: set[str] = field(default_factory=set)
    unconfirmed: dict[str, Unconfirmed] = field(default_factory=dict)
    #: Confirmations that ended before their payment was read: topics are read side by side.
    confirmed: set[str] = field(default_factory=set)
    charges: dict[UUID, Charge] = field(default_factory=dict)
    #: Instants of accepted reminders and of waivers, by the period they are about.
    reminded: dict[UUID, datetime] = field(default_factory=dict)
    waived: set[UUID] = field(default_factory=set)
    refunds_open: set[UUID] = field(default_factory=set)
    sequences: dict[str, Sequence] = field(default_factory=dict)

    def covered(self, instant: datetime) -> Period | None:
        """The paid period that counts at an instant."""
        found = (p for p in self.periods.values() if p.spans(instant) and not p.is_away(instant))
        return next(found, None)

    def complete(self, topic: str) -> bool:
        """Whether everything on a topic since its first record was seen."""
        sequence = self.sequences.get(topic)
        return sequence is not None and sequence.first == 1

    @property
    def status(self) -> str:
        """For the populations: active, grace, hold, paused, ended, pending, or empty before access."""
        if self.entitled is None:
            return ""
        state = self.entitled.state
        if state in ("grace", "suspended") and any(h.startswith("pause") for h in self.holds):
            return "paused"
        ended = {"limited": "ended", "expired": "ended", "revoked": "ended", "suspended": "hold"}
        return ended.get(state, state)
