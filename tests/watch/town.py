"""Telling a watched stack what the services would tell, all of it or not, and reading its alerts."""

import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import UUID, uuid4

from chassis import kafka
from contracts import billing
from contracts.catalogue import InvalidMessage, decode
from contracts.envelope import Envelope
from contracts.operations import Alert, AlertRaised, AlertResolved
from contracts.topics import OPS_ALERTS, SERVICES, TOPIC_OF
from ops.broker import Broker
from ops.connection import Stack
from ops.offsets import reads
from ops.recording import Recording
from ops.sending import Sender, message_headers, sender
from ops.services_http import get
from ops.supervisor import Services
from tests.support.eventually import eventually
from tests.support.life import Life

_PATIENCE_S = 30.0
_OURS = ("billing.events", "licensing.events", "notifications.events")
Keep = Callable[[Envelope], bool]


class Told:
    """What one life would tell, under an id of its own; each message is told once."""

    def __init__(self, life: Life) -> None:
        self.id = uuid4()
        self._old = str(life.play.id)
        self.left = [m for m in life.play.heard if TOPIC_OF[m.type].name in _OURS]
        #: When the last of it was told.
        self.told_at = 0.0

    def value(self, message: Envelope) -> bytes:
        """A message about this subscription instead of the life's."""
        return message.to_json().replace(self._old.encode(), str(self.id).encode())


def on(*services: str) -> Keep:
    """What these services tell."""
    return lambda message: TOPIC_OF[message.type].writer in services


def paid() -> Told:
    """A first order and its payment, and what all services tell about it."""
    return Told(Life().subscribe())


def charged() -> Life:
    """Reminded and charged; the payment system has not answered."""
    life = Life().subscribe()
    life.answer(charges="silent")
    while not life.told(billing.RenewalChargeRequested):
        life.advance("now+1d")
    return life


class Town:
    """A stack that is watched; nobody else writes to it."""

    def __init__(self, stack: Stack, running: Services, to: Sender, recording: Recording) -> None:
        self.stack = stack
        self.running = running
        self.to = to
        self.recording = recording

    @classmethod
    @asynccontextmanager
    async def at(cls, stack: Stack, running: Services) -> AsyncIterator["Town"]:
        """Connect."""
        async with AsyncExitStack() as opened:
            to = await opened.enter_async_context(sender(stack))
            recording = await opened.enter_async_context(Recording(stack, (OPS_ALERTS,)))
            yield cls(stack, running, to, recording)

    async def ready(self, within_s: float = _PATIENCE_S) -> None:
        """Wait until the watch judges."""

        async def judges() -> bool:
            self.running.refuse_dead("watch")
            return (await get(f"{self.running.url('watch')}/readyz"))[0] == 200

        await eventually(judges, within_s)

    async def tell(self, told: Told, keep: Keep = lambda message: True) -> None:
        """Let the services tell what of a life is left and wanted, in its order."""
        for message in [m for m in told.left if keep(m)]:
            told.left.remove(message)
            await self.say(told.value(message), message)
        told.told_at = time.time()

    async def say(self, value: bytes, message: Envelope) -> None:
        """One message on its topic."""
        topic = TOPIC_OF[message.type].name
        await self.to.send(topic, message.subject.encode(), value, message_headers(message))

    async def catch_up(self) -> None:
        """Let the groups of the services have read everything."""
        for name in SERVICES:
            consumer = kafka.consumer(self.stack.kafka, f"tenure.{name}", "tests")
            await consumer.start()
            try:
                topics = reads(self.stack)[self.stack.group(name)]
                async with Broker(self.stack) as broker:
                    partitions = await broker.partitions(topics)
                    ends = await broker.ends(partitions)
                consumer.assign(partitions)
                await consumer.commit(dict(ends))
            finally:
                await consumer.stop()

    async def alerts(self, about: UUID | None) -> list[Alert]:
        """All that was ever raised or resolved about a subscription, or about services; repetitions too."""
        await self.recording.read_on()
        found = []
        for record in self.recording.records:
            message = _decoded(record.value)
            if message and message.subscription_id == about:
                found.append(message)
        return found

    def seconds_to(self, about: UUID | None, word: str, since: float) -> float:
        """From an instant to the next such alert, which was waited for, by the broker's time of it."""
        for record in self.recording.records:
            message = _decoded(record.value)
            seconds = float(record.timestamp) / 1000 - since
            found = message and message.subscription_id == about and words([message]) == [word]
            if found and seconds > 0:
                return seconds
        raise LookupError(word)

    async def wait_for(
        self, about: UUID | None, *wanted: str, within_s: float = _PATIENCE_S
    ) -> list[Alert]:
        """Wait for exactly these, such as `+PAID_NOT_ENTITLED` and `-PAID_NOT_ENTITLED`."""

        async def told() -> list[Alert]:
            found = await self.alerts(about)
            assert words(found) == list(wanted)
            return found

        found: list[Alert] = await eventually(told, within_s, f"alerts {wanted}")
        return found


def words(alerts: Iterable[Alert]) -> list[str]:
    """`+CODE` for each alert that was raised, `-CODE` for each resolved one."""
    return [f"{'+' if isinstance(a, AlertRaised) else '-'}{a.code}" for a in alerts]


def _decoded(value: bytes | None) -> AlertRaised | AlertResolved | None:
    try:
        data = decode(value or b"").data
    except InvalidMessage:
        return None
    return data if isinstance(data, AlertRaised | AlertResolved) else None
