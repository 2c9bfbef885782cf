"""The systems that are measured, each under its own topic prefix and in its own database."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.cpu import cpu_s
from bench.workers import Worker, Workers
from chassis.kafka import apply_topics
from chassis.settings import KafkaSettings
from contracts.topics import SERVICES
from devstack.postgres_roles import MIGRATOR
from devstack.stack import EmbeddedStack
from ops.connection import Stack
from ops.database import migrate_all
from ops.quiet import Quiet
from ops.supervisor import free_ports

FLOOR, TENURE, FAUST = "floor", "tenure", "faust"


@dataclass(frozen=True)
class Peer:
    """One running system: its processes, and its settings as variables."""

    name: str
    workers: Workers
    variables: Mapping[str, str]
    #: Broker and database, by what they are.
    servers: Mapping[str, int]

    def cpu_s(self) -> dict[str, float]:
        """Processor time used so far by its processes, broker and database."""
        return cpu_s({**self.workers.pids(), **self.servers})

    @property
    def kafka(self) -> KafkaSettings:
        """How its topics are reached."""
        return Stack(self.variables).kafka

    async def rest(self, timeout_s: float) -> None:
        """Wait until it has nothing left to do. Raises ops.quiet.NotQuiet."""
        async with Quiet(Stack(self.variables)) as quiet:
            await quiet.wait(timeout_s)


@asynccontextmanager
async def running(
    name: str, stack: EmbeddedStack, partitions: int, *, profiled: Path | None = None
) -> AsyncIterator[Peer]:
    """Start one of the peers on fresh topics and a fresh database."""
    database = f"bench_{name}"
    await stack.postgres.create_database(database)
    variables = {
        "KAFKA_BOOTSTRAP_SERVERS": stack.kafka.bootstrap_servers,
        "KAFKA_TOPIC_PREFIX": f"{name}.",
        "KAFKA_GROUP_PREFIX": f"{name}.",
        "KAFKA_PARTITIONS": str(partitions),
        "READER_DATABASE_URL": stack.postgres.dsn("tenure_reader", database),
    }
    await migrate_all(stack.postgres.dsn(MIGRATOR, database))
    await apply_topics(Stack(variables).kafka)
    async with Workers(
        _workers(name, stack, variables, profiled), stack.state_dir / "logs"
    ) as workers:
        servers = {"kafka": stack.kafka.pid or 0, "postgres": stack.postgres.pid or 0}
        yield Peer(name, workers, variables, servers)


def _workers(
    name: str, stack: EmbeddedStack, variables: Mapping[str, str], profiled: Path | None
) -> list[Worker]:
    def own(service: str, **more: str) -> dict[str, str]:
        dsn = stack.postgres.dsn(f"tenure_{service}", f"bench_{name}")
        return {**variables, "DATABASE_URL": dsn, **more}

    if name == FAUST:
        argv = ("bench.faust_stage", "worker", "--without-web", "-l", "warn")
        folder = str(stack.state_dir / "faust")
        return [Worker("faust.billing", argv, own("billing", FAUST_DATADIR=folder))]
    if name == FLOOR:
        return [Worker(f"floor.{s}", ("bench.floor", s), own(s)) for s in SERVICES]
    ports, smtp = free_ports(), stack.environment()["SMTP_URL"]
    made = []
    for service in SERVICES:
        more = {f"{service.upper()}_HTTP_PORT": str(ports[service]), "SMTP_URL": smtp}
        wrapper = ("bench.profiled", str(profiled.resolve())) if profiled else ()
        made.append(
            Worker(f"tenure.{service}", (*wrapper, f"services.{service}"), own(service, **more))
        )
    return made
