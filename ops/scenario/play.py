"""A scenario on its way: under one reference, with everything that was said about it so far."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from contracts import billing, commands, payments
from contracts.base import Data
from contracts.envelope import Envelope
from contracts.topics import CUSTOMERS_CONTACTS, TOPIC_OF
from contracts.values import customer_id, subscription_id
from devstack.behaviour import instant
from ledger.calendar import zone
from ledger.history import History
from ops.scenario.format import Scenario, Step
from ops.scenario.instants import Moment
from ops.scenario.reading import ScenarioFile
from ops.scenario.scene import D, StoryError
from ops.scenario.values import PLAN


@dataclass(frozen=True, slots=True)
class Dead:
    """A message of the scenario that a service could not process."""

    code: str
    sentence: str
    service: str


@dataclass(frozen=True, slots=True)
class Difference:
    """An expectation that did not hold."""

    step: int
    field: str
    expected: str
    found: str


@dataclass
class Play:
    """What `Scene` promises, for the steps; what was heard and found, for whoever judges."""

    file: ScenarioFile
    reference: str
    #: Everything that was said to, by and about the subscription, in the order of its arrival.
    heard: list[Envelope] = field(default_factory=list)
    dead: list[Dead] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    #: How far expectations have seen each kind of news.
    marks: dict[str, int] = field(default_factory=dict)
    #: The ids of what was sent by each step.
    sent: dict[int, str] = field(default_factory=dict)
    #: What licensing knew when it was last looked at.
    history: History | None = None
    now: datetime = field(init=False)
    #: A step was not possible.
    broken: bool = False
    _known: set[tuple[str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        """The story begins."""
        base = self.scenario.start.base
        if base is None:
            raise ValueError("a scenario without a start")
        self.start = self.now = self.scenario.start.at(base, base)
        self.id = subscription_id(self.scenario.provider, self.reference)
        self.customer_id = customer_id(self.scenario.provider, f"C-{self.reference}")

    @property
    def scenario(self) -> Scenario:
        """What is played."""
        return self.file.scenario

    def steps(self) -> Iterator[tuple[int, datetime, Step]]:
        """The steps with their numbers and instants."""
        now = self.start
        for number, step in enumerate(self.scenario.steps):
            now = step.at.at(self.start, now) if step.at else now
            yield number, now, step

    def down_since(self, step: Step, instant: datetime) -> datetime | None:
        """Since when the services were down before a step at an instant; None when they were not."""
        return step.down_since.at(self.start, instant) if step.down_since else None

    def at(self, moment: Moment) -> datetime:
        """An instant, seen from the present step."""
        return moment.at(self.start, self.now)

    def hear(self, messages: Iterable[Envelope]) -> None:
        """Remember what was said; a repetition says nothing new."""
        for message in messages:
            if (message.source, message.id) not in self._known:
                self._known.add((message.source, message.id))
                self.heard.append(message)

    def fail(self, step: int, what: str, expected: object, found: object) -> None:
        """Remember what does not hold."""
        self.differences.append(Difference(step, what, str(expected), str(found)))

    def stop(self, step: int, why: str) -> None:
        """A step was not possible; what follows means nothing."""
        self.broken = True
        self.fail(step, "step", "possible", why)

    # what the fields of steps refer to

    @property
    def plan(self) -> dict[str, Any]:
        """The scenario's plan as JSON."""
        return {**PLAN.model_dump(), **self.scenario.plan.model_dump(exclude_none=True)}

    @property
    def email(self) -> str:
        """The customer's address, unlike any other."""
        return f"{self.reference.lower()}@example.com"

    @property
    def erased(self) -> bool:
        """Whether the customer was erased and has not ordered anew since."""
        kinds = commands.EraseCustomer | payments.OrderPlaced
        last = next((m.data for m in reversed(self.heard) if isinstance(m.data, kinds)), None)
        return isinstance(last, commands.EraseCustomer)

    def text(self, moment: Moment) -> str:
        """An instant as messages write it."""
        return instant(self.at(moment))

    def told(self, kind: type[D]) -> list[D]:
        """The data of all messages of a kind."""
        return [message.data for message in self.heard if isinstance(message.data, kind)]

    def last(self, kind: type[D], wanted: UUID | str | None = None) -> D:
        """The latest message of a kind, or the one that carries the wanted id. Raises StoryError."""
        found = self.told(kind)
        if isinstance(wanted, UUID):
            found = [data for data in found if wanted in data.model_dump().values()]
        if not found:
            raise StoryError(f"no {kind.TYPE.removesuffix('.v1')} was said before this step")
        return found[-1]

    def order_id(self, order: int | str) -> str:
        """The id of an order by its number, name or `last`. Raises StoryError."""
        if order == "last":
            return self.last(billing.PeriodScheduled).order_id
        return f"{self.reference}-{order}"

    def refund_id(self, wanted: UUID | str | None) -> str | None:
        """The id of the refund that was asked for last (`last`), the given one, or none."""
        if wanted == "last":
            return str(self.last(payments.RefundRequested).refund_id)
        return str(wanted) if wanted else None

    def case_id(self, order: int | str | None) -> UUID:
        """The refund case of an order, or the last one; one that nobody knows when there is none."""
        wanted = self.order_id(order) if order is not None else None
        cases = [
            event.case_id
            for event in self.told(billing.RefundEvent)
            if wanted in (None, event.order_id)
        ]
        return cases[-1] if cases else uuid5(self.id, "no case")

    def purchased_on(self, order: int | str) -> str:
        """The day on which an order was placed, in the time zone of the refund window."""
        id = self.order_id(order)
        pack = self.file.policies.in_force(self.scenario.provider, self.start)
        found = (p.ordered_at for p in self.told(billing.PeriodScheduled) if p.order_id == id)
        return next(found, self.start).astimezone(zone(pack.refund_tz)).date().isoformat()

    # what was said, by topic

    def on(self, topic: str) -> list[Data]:
        """Everything said on a topic, in order."""
        return [m.data for m in self.heard if TOPIC_OF[m.type].name == topic]

    def transcript(self) -> dict[str, list[str]]:
        """By topic, sorted: what was said, each with the instant since when it counts; ids aside.

        Of a compacted topic only the last word counts. Sorted, because at one instant ids decide.
        Contacts are left out: billing's store says them, which the engine in memory does without.
        """
        found: dict[str, list[str]] = {}
        for message in self.heard:
            topic = TOPIC_OF[message.type]
            if topic is CUSTOMERS_CONTACTS:
                continue
            at = getattr(message.data, "effective_at", message.time)
            line = f"{message.type.removesuffix('.v1')} {instant(at)}"
            before = found.get(topic.name, []) if topic.kept_days else []
            found[topic.name] = sorted([*before, line])
        return found

    def answers_to(self, step: int) -> list[Envelope]:
        """What was said because of the message that a step sent."""
        id = self.sent.get(step)
        return [m for m in self.heard if id is not None and m.causationid == id]
