"""A change: one stage of the timeline beside the one before it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from contracts.licensing import LicensingEvent
from ledger.history import History
from ledger.pauses import Pause
from ledger.stage import Stage
from services.licensing.domain.announcement import Announcement, key_for


@dataclass(frozen=True, slots=True)
class Change:
    """The stage at `position`, seen from the one before."""

    history: History
    stages: tuple[Stage, ...]
    position: int

    @property
    def stage(self) -> Stage:
        """The stage that begins."""
        return self.stages[self.position]

    @property
    def before(self) -> Stage | None:
        """The stage that ends, None at the very first."""
        return self.stages[self.position - 1] if self.position else None

    @property
    def goes_on(self) -> bool:
        """Whether the paid period that ran before runs on, usable or not."""
        before, stage = self.before, self.stage
        same = before is not None and before.period.period_id == stage.period.period_id
        return bool(same and before and before.runs and stage.runs)

    @property
    def given_back(self) -> bool:
        """Whether the period counts again because what took it away failed (T21)."""
        takings = self.stage.period.takings
        return any(t.reinstated_at and t.reinstated_at <= self.stage.start for t in takings)

    @property
    def pause(self) -> Pause | None:
        """The pause that the stage belongs to."""
        return self._pause_of(self.stage)

    @property
    def same_pause(self) -> bool:
        """Whether a pause goes on: its usable days are over, or a paid period ended during it."""
        return bool(self.before and self._pause_of(self.before) == self.pause)

    def _pause_of(self, stage: Stage) -> Pause | None:
        span = self.history.pause_at(stage.start) if stage.status == "paused" else None
        return span.pause if span else None

    @property
    def access_ended_at(self) -> datetime | None:
        """When access ended that begins again with this stage."""
        position = self.position
        while position and self.stages[position - 1].status == "expired":
            position -= 1
        return self.stages[position].anchor if position < self.position else None

    @property
    def run_start(self) -> datetime:
        """When the unbroken run of active stages that this one belongs to began."""
        position = self.position
        while position and self.stages[position - 1].status == "active":
            position -= 1
        return self.stages[position].start

    def say(
        self,
        event: type[LicensingEvent],
        subject: object,
        *,
        of: Stage | None = None,
        effective_at: datetime | None = None,
        at: datetime | None = None,
        **fields: object,
    ) -> Announcement:
        """An announcement of this stage, or `of` the one before: at its start, as of its anchor."""
        told, since = of or self.stage, effective_at or self.stage.anchor
        return Announcement(
            key=key_for(event, subject, since),
            at=at or self.stage.start,
            effective_at=since,
            event=event,
            fact_id=self._fact_of(told),
            policy_version=told.period.policy_version,
            fields=fields,
        )

    def _fact_of(self, stage: Stage) -> UUID:
        """The fact that a stage tells: what took its period, its pause or dispute, else the payment."""
        period = stage.period
        pause = self._pause_of(stage)
        if pause:
            return pause.fact_id
        if stage.reason and period.taken:
            return period.taken.fact_id
        if stage.disputed:
            disputes = [d for d in self.history.disputes if d.period_id == period.period_id]
            held = next((d for d in disputes if d.open_at(stage.start)), None)
            return held.fact_id if held else period.fact_id
        return period.fact_id


def changes(history: History, stages: tuple[Stage, ...]) -> Iterator[Change]:
    """Every change of a timeline, in order."""
    for position in range(len(stages)):
        yield Change(history, stages, position)
