"""What an audit finds: violations, and how many things were looked at."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from contracts.envelope import Envelope


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that must never be: a stable code, one sentence, where and when, and the messages to look at."""

    invariant: str
    code: str
    sentence: str
    subscription_id: str
    instants: tuple[datetime, ...] = ()
    event_ids: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        """What an operator types to see more."""
        return (
            f"tenure timeline {self.subscription_id}" if self.subscription_id else "tenure dlq list"
        )

    def to_json(self) -> dict[str, Any]:
        """The violation as plain data."""
        return {**asdict(self), "command": self.command}


#: Violations kept with their details; more are only counted, so that memory stays bounded.
KEPT_MAX = 10_000


@dataclass(slots=True)
class Findings:
    """Collects over all subscriptions; `checked` and `wrong` count by invariant."""

    checked: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    violations: list[Violation] = field(default_factory=list)

    def add(self, violation: Violation) -> None:
        """One more violation."""
        self.wrong[violation.invariant] += 1
        if len(self.violations) < KEPT_MAX:
            self.violations.append(violation)

    def notes(self, invariant: str, subscription_id: object) -> "Notes":
        """For one check of one subscription."""
        return Notes(self, invariant, str(subscription_id))


@dataclass(frozen=True, slots=True)
class Notes:
    """What one check writes down about one subscription."""

    findings: Findings
    invariant: str
    subscription_id: str

    def saw(self, count: int = 1) -> None:
        """So many more things were looked at."""
        self.findings.checked[self.invariant] += count

    def wrong(
        self,
        code: str,
        sentence: str,
        *,
        at: Iterable[datetime | None] = (),
        events: Iterable[Envelope] = (),
    ) -> None:
        """Something must not be so."""
        self.findings.add(
            Violation(
                self.invariant,
                code,
                sentence,
                self.subscription_id,
                tuple(instant for instant in at if instant),
                tuple(event.id for event in events),
            )
        )
