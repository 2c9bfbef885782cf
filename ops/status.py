"""`tenure status`: services, lag, work, dead letters, mail and the clock at one glance."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated, Any

from cyclopts import Parameter

from contracts.topics import SERVICES
from ops.connection import Stack, find_stack
from ops.dead_letters import count_parked
from ops.errors import CheckFailed
from ops.offsets import GroupOffsets, find_groups
from ops.services_http import get
from ops.terminal import console, emit, run
from ops.work import Work, read_work, statement

_MAIL = """
select coalesce(outcome, status) as status, count(*) from notifications.read_mail
group by 1 order by 1
"""


@dataclass(frozen=True)
class Service:
    """One service: whether it takes work, and what its readiness says otherwise."""

    name: str
    ready: bool
    detail: str


@dataclass(frozen=True)
class Status:
    """Everything that `tenure status` shows."""

    virtual: bool
    services: tuple[Service, ...]
    lag: Mapping[str, Mapping[str, int]]
    work: Work
    dead_letters: Mapping[str, int]
    mail: Mapping[str, int]

    @property
    def now(self) -> datetime:
        """The stack's clock."""
        return self.work.now

    @property
    def stuck(self) -> tuple[str, ...]:
        """What needs a person, one sentence each."""
        found = [f"{s.name} is not ready: {s.detail}." for s in self.services if not s.ready]
        found += [f"{n} unsettled dead letters of {s}." for s, n in self.dead_letters.items() if n]
        found += [f"{i.stuck} stuck in {i.schema}.{i.kind}." for i in self.work.stuck]
        return tuple(found)

    def to_json(self) -> dict[str, Any]:
        """The status as plain data."""
        return {
            "now": self.now,
            "clock": "virtual" if self.virtual else "real",
            "services": [asdict(service) for service in self.services],
            "lag": self.lag,
            "work": [asdict(item) for item in self.work.items],
            "dead_letters": self.dead_letters,
            "mail": self.mail,
            "stuck": self.stuck,
        }


def status(
    *,
    json: Annotated[bool, Parameter(help="One JSON object.")] = False,
    check: Annotated[bool, Parameter(help="Exit with 4 when something is stuck.")] = False,
) -> None:
    """Show services, consumer lag, outboxes, dead letters, mail and the clock."""
    from ops.status_view import render

    found = run(fetch(find_stack()))
    if json:
        emit(found.to_json())
    else:
        console().print(render(found))
    if check and found.stuck:
        raise CheckFailed(" ".join(found.stuck))


async def fetch(stack: Stack) -> Status:
    """Ask every part of the stack. Raises Unavailable when Kafka or PostgreSQL is away."""
    async with stack.database() as connection:
        work = await read_work(connection, await statement(connection, virtual=stack.virtual))
        dead = await count_parked(connection)
        mail = {row["status"]: row["count"] for row in await connection.fetch(_MAIL)}
    async with GroupOffsets(stack, await find_groups(stack, work)) as offsets:
        committed, ends = await asyncio.gather(offsets.committed(), offsets.ends())
    lag: dict[str, dict[str, int]] = {group: {} for group in offsets.groups}
    for (group, topic), records in offsets.lag(committed, ends).items():
        lag[group][stack.plain_topic(topic)] = records
    services = await asyncio.gather(*(_service(stack, name) for name in SERVICES))
    return Status(stack.virtual, tuple(services), lag, work, dead, mail)


async def _service(stack: Stack, name: str) -> Service:
    code, detail = await get(f"{stack.http(name)}/readyz")
    if code == 0:
        return Service(name, False, f"nobody answers at {stack.http(name)}")
    troubles = detail.get("troubles", {}) if isinstance(detail, dict) else {}
    words = ", ".join(f"{part}: {trouble}" for part, trouble in troubles.items())
    return Service(name, code == 200, words)
