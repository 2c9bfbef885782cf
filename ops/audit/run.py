"""Running an audit: look, judge what is at rest, look again at what was in motion."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from contracts.policy import Policies
from ops.audit.dossier import Dossier
from ops.audit.findings import Findings
from ops.audit.gather import OnRead, look
from ops.audit.invariants import INVARIANTS, examine
from ops.connection import Stack

#: How often to look, and how long (real time) what is in motion gets to come to rest in between.
LOOKS, PAUSE_S = 3, 3.0
#: Shown each subscription that was judged, and how many were seen of how many.
OnJudged = Callable[[Dossier, int, int], None]


@dataclass(slots=True)
class Report:
    """What an audit found. `moving` were in motion at every look, but did go on: they are not judged."""

    now: datetime
    subscriptions: int = 0
    moving: int = 0
    findings: Findings = field(default_factory=Findings)

    @property
    def violations(self) -> int:
        """How many violations there are."""
        return self.findings.wrong.total()

    def to_json(self) -> dict[str, Any]:
        """The report as plain data."""
        return {
            "now": self.now,
            "subscriptions": self.subscriptions,
            "moving": self.moving,
            "violations": self.violations,
            "invariants": [
                {
                    "invariant": each.name,
                    "sentence": each.sentence,
                    "checked": self.findings.checked[each.name],
                    "violations": self.findings.wrong[each.name],
                    "note": each.note,
                }
                for each in INVARIANTS
            ],
            "found": [violation.to_json() for violation in self.findings.violations],
        }


async def audit(
    stack: Stack,
    policies: Policies,
    *,
    only: Collection[UUID] | None = None,
    copies: Mapping[str, int] | None = None,
    on_read: OnRead = lambda done, total: None,
    on_judged: OnJudged = lambda dossier, done, total: None,
    pause_s: float = PAUSE_S,
) -> Report:
    """Judge all subscriptions, or some, by all invariants. Raises Unavailable.

    A subscription in motion (something is due, unread or unpublished) is looked at again after a
    pause; one that did not move from the first look to the last is stuck, and judged as it is.
    """
    report: Report | None = None
    #: What was left to do for each in motion; none where that has changed since the first look.
    moving: dict[UUID, tuple[str, ...]] = {}
    wanted = only
    for number in range(1, LOOKS + 1):
        before, moving = moving, {}
        async with look(stack, policies, only=wanted, copies=copies, on_read=on_read) as seen:
            if report is None:
                report = Report(seen.now)
                if only is None:
                    _letters(report.findings, seen.dead_letters)
            done = 0
            async for dossier in seen.dossiers:
                done += 1
                id, left = dossier.subscription_id, dossier.moving()
                still = number == 1 or before.get(id) == left
                if left and (number < LOOKS or not still):
                    moving[id] = left if still else ()
                else:
                    _judge(report, dossier, left)
                    on_judged(dossier, done, max(done, seen.subscriptions))
        wanted = list(moving)
        if not moving:
            break
        if number < LOOKS:
            await asyncio.sleep(pause_s)
    assert report is not None
    report.moving = len(moving)
    return report


def _judge(report: Report, dossier: Dossier, left: tuple[str, ...]) -> None:
    report.subscriptions += 1
    notes = report.findings.notes("progress", dossier.subscription_id)
    notes.saw()
    if left:
        notes.wrong("STUCK", f"Nothing goes on: {', '.join(left)}.")
    examine(dossier, report.findings)


def _letters(findings: Findings, dead_letters: Mapping[str, int]) -> None:
    for service, count in dead_letters.items():
        notes = findings.notes("letters", "")
        notes.saw()
        if count:
            notes.wrong("DEAD_LETTERS", f"{count} dead letters of {service} wait for an operator.")
