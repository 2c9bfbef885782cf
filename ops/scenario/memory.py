"""The engine in memory: the decisions of the three services, and queues between them.

Messages are written and read as on the live stack, by the same code: what cannot be published or
read fails here too. Nothing imitates Kafka or PostgreSQL: no partitions, transactions, redeliveries.
"""

from collections import deque
from contextlib import suppress
from datetime import datetime
from typing import Any

from chassis.aggregate import Aggregate
from chassis.outbox import OutboxRow
from chassis.records import Record
from contracts.catalogue import InvalidMessage, decode
from contracts.policy import Policies
from contracts.topics import PAYMENTS_REQUESTS, SERVICES, TOPICS
from ops.scenario.commands import DIGEST_KEY
from ops.scenario.judging import close, judge
from ops.scenario.letter_check import spoilt_mail
from ops.scenario.outside import Outside
from ops.scenario.play import Dead, Play
from ops.scenario.reading import ScenarioFile
from ops.scenario.room import Room
from ops.scenario.scene import StoryError
from ops.scenario.sending import letters
from ops.scenario.sight import Sight
from services.billing.store import subscriptions
from services.licensing.store import licenses
from services.notifications.store import correspondences

_READERS = {topic.name: tuple(s for s in SERVICES if s in topic.readers) for topic in TOPICS}


class Memory:
    """The world of one play: three services, what lies between them, and the payment system."""

    def __init__(self, play: Play, policies: Policies) -> None:
        """The clock stands at the start of the play."""
        self.play = play
        self.policies = policies
        self.now = play.start
        key = DIGEST_KEY.encode()
        made: tuple[Aggregate[Any], ...] = (
            subscriptions(policies, key),
            licenses(policies),
            correspondences(policies),
        )
        self.rooms = {name: Room(name, a) for name, a in zip(SERVICES, made, strict=True)}
        self.outside = Outside(play.scenario.answers)
        self._queue: deque[tuple[str, str, bytes]] = deque()
        self._offset = 0

    def publish(self, topic: str, key: str, value: bytes) -> None:
        """Put a record on a topic."""
        self._queue.append((topic, key, value))

    def advance(self, to: datetime) -> None:
        """Let time pass, stopping wherever anybody has something to do."""
        while (stop := self._next_stop()) is not None and stop <= to:
            self.now = max(self.now, stop)
            self.settle()
        self.now = max(self.now, to)

    def oversleep(self, to: datetime) -> None:
        """Let time pass with nobody at work; then what was due is done, each as of its own instant (Q23).

        What the payment system told meanwhile is read when the services have caught up.
        """
        self.now = max(self.now, to)
        self.settle()

    def _next_stop(self) -> datetime | None:
        stops = [room.next_due_at() for room in self.rooms.values()]
        return min((s for s in (*stops, self.outside.next_due_at()) if s), default=None)

    def settle(self) -> None:
        """Until nobody has anything to do at this instant."""
        while self._queue or self._happens():
            while self._queue:
                self._deliver(*self._queue.popleft())

    def _happens(self) -> bool:
        """One thing that happens by itself: a mail ends, a deadline has come, the payment system tells."""
        attempt = self.outside.mail_due(self.now)
        if attempt:
            room = self.rooms["notifications"]
            row = room.row(self.play.id)
            spoilt = spoilt_mail(self.play, row.state, attempt, self.now)
            outcome = self.outside.mail_ends(attempt, spoilt, self.now)
            if outcome:
                self._say(room.decide(row, outcome, self.now))
            return True
        for room in self.rooms.values():
            said = room.pass_time(self.now)
            if said is not None:
                self._say(said)
                return True
        told = self.outside.publishes(self.now)
        if told:
            self.publish(*told)
        return told is not None

    def _say(self, rows: list[OutboxRow]) -> None:
        for row in rows:
            if row.value is not None:  # a tombstone is for the contacts, which are not kept here
                self.publish(row.topic, row.key, row.value)

    def _deliver(self, topic: str, key: str, value: bytes) -> None:
        self._offset += 1
        record = Record(topic, 0, self._offset, 0, key.encode(), value)
        for name in _READERS[topic]:
            said, problem = self.rooms[name].hear(record, self.now)
            self._say(said)
            if problem:
                self.play.dead.append(Dead(problem.code, problem.sentence, name))
        if topic == PAYMENTS_REQUESTS.name or topic.startswith("notifications"):
            self.outside.hear(decode(value), self.now)
        with suppress(InvalidMessage):  # what nobody can read is a dead letter already
            self.play.hear([decode(value)])

    def sight(self) -> Sight:
        """What billing and licensing know now."""
        billing, licensing = (
            self.rooms[name].row(self.play.id).state for name in ("billing", "licensing")
        )
        provider = self.play.scenario.provider
        return Sight(billing, licensing.history, provider, self.policies, self.now)


def play_in_memory(file: ScenarioFile, reference: str = "R-1") -> Play:
    """Live one scenario from its first step to its last; the differences are in the play."""
    play = Play(file, reference)
    world = Memory(play, file.policies)
    number = 0
    for number, instant, step in play.steps():
        since = play.down_since(step, instant)
        world.advance(since or instant)
        if since:
            world.oversleep(instant)
        play.now = instant
        try:
            for letter in letters(play, number, step):
                world.publish(letter.topic, letter.key, letter.value)
        except StoryError as error:
            play.stop(number, str(error))
            break
        if step.answer:
            world.outside.answer(step.answer)
        world.settle()
        judge(play, number, step, world.sight())
    close(play, number)
    return play
