"""One scene: a database, topics and groups of its own on the shared stack, and the services in it."""

import asyncio
import signal
import time
from datetime import timedelta
from typing import Self
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, build_opener

from chassis import kafka
from contracts.topics import SERVICES, TOPICS
from devstack.stack import EmbeddedStack
from ops.connection import Stack
from ops.offsets import reads
from ops.quiet import Quiet
from ops.services_http import get
from ops.supervisor import Services, free_ports
from tests.support.eventually import eventually
from tests.support.people import NOW
from tests.support.sight import PATIENCE_S, Sight

#: The database that every scene's own is copied from.
TEMPLATE = "crash_template"
SIMULATOR = "simulator"
# A proxy of the surroundings must not see requests to this machine itself.
_OPENER = build_opener(ProxyHandler({}))
_SETTINGS = {
    "CLOCK": "virtual",
    "KAFKA_PARTITIONS": "3",
    "KAFKA_SESSION_TIMEOUT_MS": "2000",
    # Small batches, so that a small input passes each point many times.
    "CONSUMER_BATCH_MAX": "10",
    "DUE_BATCH_MAX": "3",
    "NOTIFICATIONS_MAIL_BATCH": "5",
    "NOTIFICATIONS_MAIL_LEASE": "5",
    # One connection: after a kill exactly its batch has an unknown end.
    "NOTIFICATIONS_SMTP_CONNECTIONS": "1",
}


class Scene(Sight):
    """`async with Scene(...)` makes database and topics, and removes them; services start later."""

    def __init__(self, embedded: EmbeddedStack, name: str) -> None:
        """Nothing is made yet; `name` is that of the database and stands before topics."""
        self.name = name
        self.embedded = embedded
        self.folder = embedded.state_dir / "scenes" / name
        self.variables = {**embedded.environment(), **_SETTINGS}
        for variable, url in self.variables.items():
            if variable.endswith("_DATABASE_URL"):
                self.variables[variable] = urlsplit(url)._replace(path=f"/{name}").geturl()
        self._sets: list[Services] = []
        self.services = self.more_services()
        super().__init__(Stack(self.services.variables), embedded.mailbox)
        self._killed_at = 0.0

    def more_services(self) -> Services:
        """Another set of service processes in the same groups."""
        made = Services(
            self.variables,
            state_dir=self.folder / str(len(self._sets)),
            topic_prefix=f"{self.name}.",
            group_prefix=f"{self.name}.",
            ports=free_ports(),
            companions={SIMULATOR: "devstack.payments"},
        )
        self._sets.append(made)
        return made

    async def __aenter__(self) -> Self:
        """Make the database and the topics, set the clock; the mailbox is honest and empty."""
        await self.mailbox.set_faults([])
        await self.mailbox.clear()
        await self.embedded.postgres.create_database(self.name, TEMPLATE)
        await kafka.apply_topics(self.stack.kafka)
        async with self.stack.database("OPS") as connection:
            await connection.execute("insert into ops.clock (now) values ($1)", NOW)
        return self

    async def __aexit__(self, *_: object) -> None:
        """End the processes, drop the database, delete the topics."""
        await self.end_all()
        await self.embedded.postgres.drop_database(self.name)
        admin = kafka.admin(self.stack.kafka)
        await admin.start()
        try:
            await admin.delete_topics([self.stack.topic(topic.name) for topic in TOPICS])
        finally:
            await admin.close()

    async def end_all(self) -> None:
        """End all processes at once."""
        running = [(each, name) for each in self._sets for name in (*SERVICES, SIMULATOR)]
        await asyncio.gather(*(each.kill(name) for each, name in running))

    def logs(self) -> list[tuple[str, str]]:
        """The ends of the logs of all processes that were started."""
        return [
            (f"{number}/{name}", each.log_tail(name))
            for number, each in enumerate(self._sets)
            for name in (*SERVICES, SIMULATOR)
            if each.log_tail(name)
        ]

    # what happens

    def start(self, armed: str = "", point: str = "", hit: int = 1) -> None:
        """Start the three services; the `armed` one will die when it passes `point` the hit-th time."""
        for service in SERVICES:
            if service == armed:
                self.arm(service, point, hit)
            else:
                self.services.spawn(service)

    def arm(self, service: str, point: str, hit: int) -> None:
        """Start one service that will die at a point."""
        armed = {"TENURE_CRASH_POINT": f"{point}:{hit}", "TENURE_CRASH_ALLOWED": "1"}
        self.services.spawn(service, armed)

    async def died(self, service: str) -> None:
        """Wait until an armed service has died at its point: by SIGKILL, not by any error."""
        code = await eventually(
            lambda: self.services.exit_code(service), PATIENCE_S, f"{service} dies at its point"
        )
        assert code == -signal.SIGKILL, f"{service} ended with {code}"
        self.note_kill()

    def note_kill(self) -> None:
        """From now on `settle` counts the seconds."""
        self._killed_at = time.monotonic()

    async def settle(self, ahead: timedelta = timedelta(minutes=5)) -> float:
        """Wait until every service has caught up, and what is due within `ahead` has happened.

        A mail that must be sent again waits for a minute of the scene's clock. Returns the real
        seconds since the last kill.
        """
        await self.catch_up(ahead)
        return time.monotonic() - self._killed_at

    async def quiet_but(self, stopped: str) -> None:
        """Wait until every service but a stopped one has caught up."""
        groups = {g: t for g, t in reads(self.stack).items() if g != self.stack.group(stopped)}
        async with Quiet(self.stack, groups) as quiet:
            await quiet.wait(PATIENCE_S)

    async def decided(self, services: Services, name: str) -> int:
        """How many messages one process has decided on, by its own count."""

        def read() -> str:
            with _OPENER.open(f"{services.url(name)}/metrics", timeout=5) as answer:
                return str(answer.read().decode())

        try:
            lines = (await asyncio.to_thread(read)).splitlines()
        except OSError:
            return 0
        return sum(
            int(float(line.rpartition(" ")[2]))
            for line in lines
            if line.startswith("tenure_messages_consumed_total") and 'outcome="done"' in line
        )

    async def ready(self, services: Services | None = None) -> dict[str, bool]:
        """Which services say that they do their work."""
        asked = services or self.services
        answers = await asyncio.gather(*(get(f"{asked.url(name)}/readyz") for name in SERVICES))
        return {name: answer[0] == 200 for name, answer in zip(SERVICES, answers, strict=True)}
