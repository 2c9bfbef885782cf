"""Where the stack is: the environment wins, else what the running embedded stack wrote down."""

import fcntl
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from pydantic import ValidationError

from chassis.settings import KafkaSettings, first_fault
from contracts.topics import SERVICES
from ops.errors import Unavailable, WrongSetting

ENVIRONMENT_FILE = "environment.json"
_LOCK_FILE = "stack.lock"
_HTTP_PORTS = dict(zip((*SERVICES, "watch"), (8081, 8082, 8083, 8080), strict=True))


@dataclass(frozen=True)
class Stack:
    """The settings of one stack, as environment variables name them."""

    variables: Mapping[str, str]

    @property
    def kafka(self) -> KafkaSettings:
        """How Kafka is reached. Raises Unavailable when no stack is known, WrongSetting."""
        self._required("KAFKA_BOOTSTRAP_SERVERS")
        given = {k.lower(): v for k, v in self.variables.items() if k.startswith("KAFKA_") and v}
        try:
            return KafkaSettings.model_validate(given)
        except ValidationError as error:
            raise WrongSetting(first_fault(KafkaSettings, error)) from None

    @property
    def virtual(self) -> bool:
        """Whether the stack runs on the virtual clock."""
        return self.variables.get("CLOCK") == "virtual"

    def topic(self, name: str) -> str:
        """The name of a topic in this stack's Kafka."""
        return self.variables.get("KAFKA_TOPIC_PREFIX", "") + name

    def plain_topic(self, name: str) -> str:
        """The name of a topic as the topic table has it."""
        return name.removeprefix(self.variables.get("KAFKA_TOPIC_PREFIX", ""))

    def group(self, service: str) -> str:
        """The consumer group of a service."""
        return f"{self.variables.get('KAFKA_GROUP_PREFIX', '')}tenure.{service}"

    def database_url(self, role: str) -> str:
        """The address for READER, OPS or MIGRATOR; DATABASE_URL serves all. Raises Unavailable."""
        own = self.variables.get(f"{role}_DATABASE_URL")
        return own or self._required("DATABASE_URL")

    def http(self, service: str) -> str:
        """The address of a service's or the watch's HTTP side: BILLING_HTTP_URL, or that port of HTTP_HOST.

        Raises WrongSetting for a port that is none.
        """
        if url := self.variables.get(f"{service.upper()}_HTTP_URL"):
            return url.rstrip("/")
        host = self.variables.get("HTTP_HOST", "127.0.0.1")
        name = f"{service.upper()}_HTTP_PORT"
        port = self.variables.get(name, str(_HTTP_PORTS[service]))
        if not port.isdecimal():
            raise WrongSetting(f"{name} is '{port}': give a port number from 1 to 65535.")
        return f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}"

    @asynccontextmanager
    async def database(self, role: str = "READER") -> AsyncIterator["asyncpg.Connection"]:
        """A connection as `role`. Raises Unavailable when the database does not answer."""
        url = self.database_url(role)
        try:
            connection = await asyncpg.connect(url, timeout=5)
        except (OSError, TimeoutError, asyncpg.PostgresError) as error:
            raise Unavailable(f"PostgreSQL does not answer ({error}): is the stack up?") from error
        try:
            yield connection
        finally:
            await connection.close(timeout=2)

    def _required(self, name: str) -> str:
        value = self.variables.get(name)
        if value:
            return value
        if self.variables.get("KAFKA_BOOTSTRAP_SERVERS"):
            raise Unavailable(f"{name} is not set, and no embedded stack runs that would tell it.")
        raise Unavailable("No stack is running: start one with `make up`.")


def state_dir() -> Path:
    """`TENURE_STATE_DIR`, default `.data` in the current folder."""
    return Path(os.environ.get("TENURE_STATE_DIR") or ".data")


def find_stack(folder: Path | None = None) -> Stack:
    """The stack that the environment names, completed by the embedded one that runs on `folder`."""
    return Stack({**embedded(folder or state_dir()), **os.environ})


def embedded(folder: Path) -> dict[str, str]:
    """The variables of the embedded stack that runs on `folder` now; none when none runs."""
    file = folder / ENVIRONMENT_FILE
    if not file.is_file() or not _locked(folder / _LOCK_FILE):
        return {}  # a file whose writer is gone was left by a killed stack
    variables: dict[str, str] = json.loads(file.read_text())
    return variables


def _locked(path: Path) -> bool:
    try:
        with path.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
