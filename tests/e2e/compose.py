"""The system as docker-compose.yml has it, under a project name and on ports of its own."""

import asyncio
import json
import os
import secrets
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from devstack.ports import in_use
from ops.clock import VirtualClock
from ops.scenario.commands import DIGEST_KEY
from tests.e2e.system import SESSION_TIMEOUT_MS, Ended, System

_ROOT = Path(__file__).resolve().parents[2]
_LOGS = _ROOT / ".data" / "e2e"
#: Of every role, as docker-compose.yml has it.
_PASSWORD = "development"
_COMMAND_S = 300.0
_PORTS = 64


class DockerError(Exception):
    """A docker command failed; the text is what it said."""


class ComposeSystem(System):
    """Containers of the images that docker-compose.yml names; ours is built before."""

    def __init__(self, starts_at: datetime | None) -> None:
        """Nothing runs yet."""
        first = _free_ports(_PORTS)
        self._project = f"tenure-e2e-{secrets.token_hex(3)}"
        published = {
            "KAFKA_PUBLISHED_PORT": f"{first}",
            "POSTGRES_PUBLISHED_PORT": f"{first + 1}",
            "SMTP_PUBLISHED_PORT": f"{first + 2}",
            "MAILBOX_PUBLISHED_PORT": f"{first + 3}",
            "WATCH_PUBLISHED_PORT": f"{first + 4}",
            "BILLING_PUBLISHED_PORTS": f"{first + 10}-{first + 19}",
            "LICENSING_PUBLISHED_PORTS": f"{first + 20}-{first + 29}",
            "NOTIFICATIONS_PUBLISHED_PORTS": f"{first + 30}-{first + 39}",
        }
        chosen = {
            "CLOCK": "virtual" if starts_at else "real",
            "IDENTITY_DIGEST_KEY": DIGEST_KEY,
            "KAFKA_PARTITIONS": "3",
            "KAFKA_SESSION_TIMEOUT_MS": str(SESSION_TIMEOUT_MS),
        }
        self._environment = {
            **os.environ, **published, **chosen,
            "COMPOSE_PROJECT_NAME": self._project,
            "COMPOSE_PROFILES": "demo",
            "DEMO_CUSTOMERS": "0",
        }  # fmt: skip
        host = f"127.0.0.1:{first + 1}"
        roles = ("billing", "licensing", "notifications", "ops", "reader", "migrator", "simulator")
        databases = {
            f"{role.upper()}_DATABASE_URL": f"postgresql://tenure_{role}:{_PASSWORD}@{host}/tenure"
            for role in roles
        }
        known = {
            "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{first}",
            "MAILBOX_URL": f"http://127.0.0.1:{first + 3}",
        }
        super().__init__({**chosen, **databases, **known}, starts_at)

    async def up(self) -> None:
        """The clock is set before any service looks at it."""
        await self._compose("up", "--detach", "--wait", "kafka", "postgres", "mailpit")
        await self._compose("run", "--rm", "-T", "setup")
        if self.starts_at:
            async with VirtualClock(self.stack, exclusive=False) as clock:
                await clock.ensure_set(self.starts_at)
        await self._compose("up", "--detach", "--wait")

    async def down(self, *, failed: bool) -> None:
        """Containers, networks and volumes go; the logs of a failed run go to .data/e2e/."""
        if failed:
            _LOGS.mkdir(parents=True, exist_ok=True)
            logs = await self._compose("--ansi", "never", "logs", "--timestamps")
            (_LOGS / f"{self._project}.log").write_text(logs)
        await self._compose("down", "--volumes", "--timeout", "30")

    async def stop(self, part: str) -> None:
        """`docker stop`: SIGTERM, and SIGKILL after the grace period of the container."""
        await _docker("stop", *await self._containers(part))

    async def start(self, part: str) -> None:
        """`docker start`: the same container with its volumes."""
        await _docker("start", *await self._containers(part))

    async def kill(self, part: str) -> None:
        """`docker kill`: SIGKILL to the first process of the container."""
        await _docker("kill", "--signal", "KILL", *await self._containers(part))

    async def pause(self, part: str) -> None:
        """`docker pause`: the kernel freezes every process of the container."""
        await _docker("pause", *await self._containers(part))

    async def unpause(self, part: str) -> None:
        """`docker unpause`."""
        await _docker("unpause", *await self._containers(part))

    async def scale(self, service: str, workers: int) -> None:
        """`up --scale`; what is too many ends by `docker stop`, the oldest first."""
        running = await self._containers(service)
        for container in running[: max(0, len(running) - workers)]:
            await _docker("stop", container)
            await _docker("rm", container)
        if len(running) < workers:
            await self._compose(
                "up", "--detach", "--no-deps", "--no-recreate", "--scale",
                f"{service}={workers}", service,
            )  # fmt: skip

    async def urls(self, service: str) -> list[str]:
        """The published ports of the running containers."""
        found = []
        for container in await self.inspect(service):
            for bindings in container["NetworkSettings"]["Ports"].values():
                found += [f"http://127.0.0.1:{each['HostPort']}" for each in bindings or ()]
        return found

    async def try_to_run(self, service: str, extra: Mapping[str, str]) -> Ended:
        """`docker compose run` with other variables."""
        given = [word for name, value in extra.items() for word in ("--env", f"{name}={value}")]
        return await self._once(*given, service)

    async def tool(self, *words: str) -> Ended:
        """The `tenure` command in a container, as README.md shows it."""
        return await self._once("tenure", *words)

    async def _once(self, *words: str) -> Ended:
        command = ("compose", "run", "--rm", "--no-deps", "-T", *words)
        code, out, err = await _run("docker", *command, environment=self._environment)
        lines = tuple(line for line in (out + err).splitlines() if line.strip())
        return Ended(code, lines)

    async def inspect(self, part: str) -> list[dict[str, Any]]:
        """What `docker inspect` tells about the containers of a part, the oldest first."""
        ids = (await self._compose("ps", "--all", "--quiet", part)).split()
        made = json.loads(await _docker("inspect", *ids)) if ids else []
        return sorted(made, key=lambda each: str(each["Created"]))

    async def _containers(self, part: str) -> list[str]:
        return [each["Id"] for each in await self.inspect(part)]

    async def _compose(self, *words: str) -> str:
        return await _docker("compose", *words, environment=self._environment)


async def build_image() -> None:
    """Build our image from the sources as they are. Raises DockerError."""
    await _docker("compose", "build", "--quiet", "billing")


async def _docker(*words: str, environment: Mapping[str, str] | None = None) -> str:
    code, out, err = await _run("docker", *words, environment=environment)
    if code:
        raise DockerError(f"docker {' '.join(words)} ended with {code}:\n{(out + err)[-2000:]}")
    return out


async def _run(*words: str, environment: Mapping[str, str] | None = None) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *words,
        cwd=_ROOT,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), _COMMAND_S)
    except BaseException:
        process.kill()
        raise
    return process.returncode or 0, out.decode(errors="replace"), err.decode(errors="replace")


def _free_ports(count: int) -> int:
    """The first of so many ports in a row that nobody listens on now."""
    while True:
        first = 20_000 + secrets.randbelow(11_000)
        if not any(in_use(port) for port in range(first, first + count)):
            return first
