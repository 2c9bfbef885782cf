"""The plan that all cases share: the clock passes once over two years, and everything said is kept."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, TypeVar

import pytest

from contracts import licensing, notifications
from contracts.base import Data
from contracts.envelope import Envelope
from contracts.topics import LICENSING_EVENTS, TOPIC_OF
from devstack.mailbox import Mailbox
from ops.clock import VirtualClock
from ops.connection import Stack
from ops.recording import Recording
from ops.sending import sender
from ops.supervisor import Services
from tests.scenarios.case import Case, When
from tests.support.upstream import address

D = TypeVar("D", bound=Data)
#: For every module of cases: one worker lives them, and the first test waits for all of it.
SCENARIO = [pytest.mark.xdist_group("scenarios"), pytest.mark.timeout(300)]
#: Renewed once, unpaid after the second year: then grace and hold pass too.
_LENGTH_AFTER_SECOND_END = timedelta(days=40)
_HEADERS = (("content-type", b"application/cloudevents+json"),)


class Year:
    """Lives all cases; afterwards it answers what was said, mailed and allowed, and when."""

    def __init__(
        self, stack: Stack, services: Services, clock: VirtualClock, mailbox: Mailbox
    ) -> None:
        """Nothing has happened yet."""
        self.stack = stack
        self.services = services
        self.digest_key = stack.variables.get("IDENTITY_DIGEST_KEY", "development only").encode()
        self.recording = Recording(stack)
        self._clock = clock
        self._mailbox = mailbox
        self._mails: dict[str, list[dict[str, Any]]] = {}

    def at(self, when: When) -> datetime:
        """The instant in UTC."""
        years = {"start": 0, "end": 1, "second end": 2}[when.anchor]
        return self._start.replace(year=self._start.year + years) + when.after

    async def live(self, cases: Sequence[Case]) -> None:
        """Visit every instant of the cases and every deadline between them, in order."""
        now = await self._clock.now()
        # A first of a month: a year later there is the same day.
        self._start = (now.replace(day=1) + timedelta(days=31)).replace(
            day=1, hour=9, minute=0, second=0, microsecond=0
        )
        steps = [(self.at(when), step) for case in cases for when, step in case.steps]
        steps.sort(key=lambda each: each[0])
        async with self.recording, sender(self.stack) as to:
            for instant, due in groupby(steps, key=lambda each: each[0]):
                await self._advance(instant)
                await self.recording.read_on()
                for _, step in due:
                    for topic, key, value in step(self):
                        await to.send(topic, key.encode(), value, _HEADERS)
            await self._advance(self.over)
            await self.recording.read_on()
        await self._collect({address(case.reference) for case in cases})

    @property
    def over(self) -> datetime:
        """The instant at which the plan ended."""
        return self.at(When("second end", _LENGTH_AFTER_SECOND_END))

    async def _advance(self, to: datetime) -> None:
        await self._clock.advance(to, timeout_s=60)

    async def _collect(self, addresses: set[str]) -> None:
        for summary in await self._mailbox.messages(limit=await self._mailbox.count() or 1):
            if summary["To"][0]["Address"] in addresses:
                mail = await self._mailbox.message(summary["ID"])
                self._mails.setdefault(mail["MessageID"], []).append(mail)

    def log(self, service: str) -> str:
        """Everything that a service logged."""
        return (self.services.state_dir / "logs" / f"{service}.log").read_text()

    # what was said

    def told(self, case: Case, kind: type[D]) -> list[D]:
        """All messages of a type about a case, in order; those to and from upstream by its reference."""
        upstream = kind.TYPE.startswith("payments.")
        return self.recording.told(case.reference if upstream else case.id, kind)

    def answer(self, case: Case, label: str) -> Any:
        """The first event that a command ended in."""
        return self.answers(case, label)[0].data

    def answers(self, case: Case, label: str) -> list[Envelope]:
        """Everything that a command caused, on all topics."""
        return self.recording.caused_by(case.id, case.commands[label])

    def access(self, case: Case) -> list[tuple[str, datetime]]:
        """The changes of access as announced, with their anchors; without the entitlement's own."""
        return [
            (_short(m), m.data.effective_at)
            for m in self.recording.messages(case.id)
            if TOPIC_OF[m.type] is LICENSING_EVENTS
            and isinstance(m.data, licensing.LicensingEvent)
            and not isinstance(m.data, licensing.EntitlementEvent)
        ]

    def state(self, case: Case, when: When) -> licensing.ScheduledStage | None:
        """What a cache of the entitlements would have shown at an instant, with its schedule ahead."""
        instant = self.at(when)
        known = [e for e in self.told(case, licensing.Entitlement) if e.as_of <= instant]
        if not known:
            return None
        last = known[-1]
        now = licensing.ScheduledStage(
            at=last.as_of, state=last.state, capabilities=last.capabilities
        )
        return [stage for stage in (now, *last.schedule) if stage.at <= instant][-1]

    def states(self, case: Case, *whens: When) -> list[licensing.EntitlementState | None]:
        """The state of the entitlement at each instant."""
        return [stage.state if (stage := self.state(case, when)) else None for when in whens]

    # what was mailed

    def mailed(self, case: Case) -> list[str]:
        """The kinds of the mails that were accepted, in order; the mailbox holds each exactly once."""
        accepted = self.told(case, notifications.MailAccepted)
        for event in accepted:
            copies = [
                mail
                for id, copies in self._mails.items()
                if str(event.notice_id) in id
                for mail in copies
            ]
            assert len(copies) == 1, f"{len(copies)} copies of {event.kind} for {case.name}"
        return [event.kind for event in accepted]

    def copies(self) -> Counter[str]:
        """How often the mailbox holds each mail of the cases, by Message-ID."""
        return Counter({id: len(copies) for id, copies in self._mails.items()})

    def letter(self, case: Case, kind: notifications.MailKind) -> dict[str, Any]:
        """The first mail of a kind as the mailbox holds it."""
        accepted = self.told(case, notifications.MailAccepted)
        wanted = next(str(event.notice_id) for event in accepted if event.kind == kind)
        return next(copies[0] for id, copies in self._mails.items() if wanted in id)


def _short(message: Envelope) -> str:
    return message.type.split(".")[1]
