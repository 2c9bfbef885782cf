"""One life in memory: steps as scenario files write them, and the dossier that an audit would judge."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from contracts.base import Data
from contracts.catalogue import ENVELOPES
from contracts.envelope import Envelope
from contracts.policy import Policies
from contracts.topics import (
    BILLING_EVENTS,
    LICENSING_ENTITLEMENTS,
    LICENSING_EVENTS,
    NOTIFICATIONS_EVENTS,
    PAYMENTS_EVENTS,
    PAYMENTS_REQUESTS,
    SERVICES,
    TOPIC_OF,
)
from ops.audit.dossier import Dossier, Row
from ops.audit.findings import Violation
from ops.audit.invariants import examine_all
from ops.scenario.format import Answers, Scenario, Step
from ops.scenario.instants import parse
from ops.scenario.memory import Memory
from ops.scenario.play import Play
from ops.scenario.reading import ScenarioFile
from ops.scenario.sending import letters
from policies import load_policies

POLICIES = load_policies()


class Life:
    """A subscription of one provider; time only moves on. `more` goes into the scenario."""

    def __init__(
        self, provider: str = "online-store", policies: Policies = POLICIES, **more: Any
    ) -> None:
        """Nothing has happened yet."""
        head = {"name": "a life", "shows": "What happens in a life.", "rules": ["S-33"]}
        given = {**head, "provider": provider, "steps": [{"answer": "pays"}], **more}
        file = ScenarioFile(Path("life.yaml"), Scenario.model_validate(given), policies)
        self.play = Play(file, "R-1")
        self.world = Memory(self.play, policies)
        self.policies = policies
        self.provider = provider
        #: Ids of what billing could not process.
        self.dead: set[str] = set()
        self._number = 0

    @property
    def now(self) -> datetime:
        """The clock."""
        return self.world.now

    # what happens

    def upstream(self, event: str | Mapping[str, Any]) -> list[Envelope]:
        """The payment system publishes an event; returns what was said because of all that followed."""
        return self._step(Step.model_validate({"upstream": event}))

    def command(self, command: str | Mapping[str, Any]) -> list[Envelope]:
        """A customer or operator asks for something."""
        return self._step(Step.model_validate({"command": command}))

    def answer(self, **answers: Any) -> None:
        """From now on the world outside answers so."""
        self.world.outside.answer(Answers.model_validate(answers))

    def advance(self, to: str | datetime) -> None:
        """Let time pass to an instant such as `+1y-14d` (from the start) or `now+3d`."""
        instant = to if isinstance(to, datetime) else self.play.at(parse(to))
        self.world.advance(instant)
        self.play.now = self.now

    def oversleep(self, to: str) -> None:
        """Let time pass with nobody at work: whatever was due is done at the end, late."""
        self.world.oversleep(self.play.at(parse(to)))
        self.play.now = self.now

    def message(self, data: Data, id: str) -> Envelope:
        """An upstream message or a command of now, not sent."""
        upstream = data.TYPE.startswith("payments.")
        return ENVELOPES[data.TYPE](
            specversion="1.0",
            id=id,
            source="/payments/shop" if upstream else "/tenure/ops",
            type=data.TYPE,
            subject=self.play.reference if upstream else str(self.play.id),
            time=self.now,
            providerid=self.provider,
            data=data,
        )

    def subscribe(self) -> "Life":
        """Order and pay now."""
        self.upstream("order-placed")
        self.upstream("payment-succeeded")
        return self

    def _step(self, step: Step) -> list[Envelope]:
        """Raises StoryError when it needs what was never said."""
        self.play.now = self.now
        self._number += 1
        before, dead = len(self.play.heard), len(self.play.dead)
        for letter in letters(self.play, self._number, step):
            self.world.publish(letter.topic, letter.key, letter.value)
        self.world.settle()
        for lost in self.play.dead[dead:]:
            assert lost.service == "billing", lost
            self.dead.add(self.play.sent[self._number])
        return self.play.heard[before:]

    # what is known

    def on(self, topic: str) -> tuple[Envelope, ...]:
        """The messages on a topic, as they were published."""
        return tuple(m for m in self.play.heard if TOPIC_OF[m.type].name == topic)

    def told(self, kind: type[Data]) -> list[Any]:
        """The data of all messages of a type."""
        return [m.data for m in self.play.heard if isinstance(m.data, kind)]

    def dossier(self) -> Dossier:
        """Everything that is known now, as the audit gathers it from databases and topics."""
        rows = {name: self.world.rooms[name].row(self.play.id) for name in SERVICES}
        billing, license = rows["billing"].state, rows["licensing"].state
        told: dict[str, int] = {}
        for row in rows.values():
            told |= row.sequences
        entitlements = self.on(LICENSING_ENTITLEMENTS.name)
        return Dossier(
            subscription_id=self.play.id,
            now=self.now,
            policies=self.policies,
            provider_id=self.provider,
            facts=billing.facts,
            history=license.history if license.provider_id else None,
            in_force=frozenset(str(said.event_id) for said in license.said),
            # There are no positions in memory: everything that was told was read.
            rows={name: Row(row.due_at, False, told, row.sequences) for name, row in rows.items()},
            upstream=tuple(m for m in self.on(PAYMENTS_EVENTS.name) if m.id not in self.dead),
            requests=self.on(PAYMENTS_REQUESTS.name),
            billing=self.on(BILLING_EVENTS.name),
            licensing=self.on(LICENSING_EVENTS.name),
            notifications=self.on(NOTIFICATIONS_EVENTS.name),
            cached=entitlements[-1] if entitlements else None,
        )

    def violations(self) -> list[Violation]:
        """What an audit finds now."""
        return examine_all([self.dossier()]).violations
