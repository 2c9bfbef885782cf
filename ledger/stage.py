"""A stage of the timeline: one status over one span of time."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from contracts.licensing import ExpiryReason
from ledger.history import PaidPeriod

Status = Literal["active", "grace", "hold", "paused", "expired"]


@dataclass(frozen=True, slots=True)
class Stage:
    """A status from `start` until the next stage; `ends_at` is when it ends if nothing happens.

    `period` is the period that runs, or the one that ended. `reason` is set when expired.
    """

    status: Status
    start: datetime
    period: PaidPeriod
    ends_at: datetime | None
    reason: ExpiryReason | None = None
    #: The first days of a pause may leave everything usable.
    usable: bool = False
    #: Since when it counts, where that lies before its start: access was kept until an answer came (Q7).
    since: datetime | None = None

    @property
    def identity(self) -> tuple[Status, UUID, datetime, ExpiryReason | None, bool]:
        """What makes two stages the same."""
        return (self.status, self.period.period_id, self.start, self.reason, self.usable)

    @property
    def anchor(self) -> datetime:
        """The instant as of which it counts."""
        return self.since or self.start

    @property
    def disputed(self) -> bool:
        """Whether an open dispute holds access; only the bank knows until when (T22)."""
        return self.status == "hold" and self.ends_at is None

    @property
    def runs(self) -> bool:
        """Whether its period runs from its start on, usable or not; otherwise that has ended."""
        return self.period.covers(self.start)


def active_since(period: PaidPeriod, instant: datetime) -> datetime:
    """When the running stretch of a period began: its begin, or its reinstatement."""
    backs = [taken.reinstated_at for taken in period.takings if taken.reinstated_at]
    return max([period.begins, *(back for back in backs if back <= instant)])
