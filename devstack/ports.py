"""The TCP ports of the local stack, all on the loopback address."""

import asyncio
import os
import secrets
import socket
import time
from dataclasses import dataclass, fields
from typing import Self

from devstack.errors import DevstackConfigurationError

HOST = "127.0.0.1"
#: Below the usual range of ephemeral ports (32768 and up), above the well-known ones.
_FREE_RANGE = range(20_000, 32_000)
#: A killed process loses its command line, by which we know it, a moment before its sockets.
_LAST_BREATH_S = 1.0
_POLL_S = 0.02


@dataclass(frozen=True)
class Ports:
    """One port number for each listener of the stack."""

    kafka: int = 19092
    controller: int = 19093
    postgres: int = 15432
    smtp: int = 11025
    mailbox: int = 18025

    @classmethod
    def free(cls) -> Self:
        """Five ports that nobody listens on now, for tests."""
        return cls(*free_ports(len(fields(cls))))

    @classmethod
    def from_environment(cls) -> Self:
        """The defaults, each replaced by its TENURE_<NAME>_PORT variable.

        Raises DevstackConfigurationError for a value that is no port number.
        """
        chosen: dict[str, int] = {}
        for field in fields(cls):
            text = os.environ.get(setting(field.name))
            if text is not None:
                if not (text.isdecimal() and 0 < int(text) < 65536):
                    raise DevstackConfigurationError(
                        f"{setting(field.name)} is {text!r}: give a port number from 1 to 65535."
                    )
                chosen[field.name] = int(text)
        return cls(**chosen)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now, outside the range that the system gives to outgoing connections.

    A port of that range could be taken by any client between this look and the server's start.
    """
    found: list[int] = []
    while len(found) < count:
        port = secrets.choice(_FREE_RANGE)
        if port not in found and not in_use(port):
            found.append(port)
    return found


def setting(name: str) -> str:
    """The environment variable that changes the port called `name` in `Ports`."""
    return f"TENURE_{name.upper()}_PORT"


def in_use(port: int) -> bool:
    """Whether some program listens on this port of the loopback address."""
    with socket.socket() as probe:
        # Without it, connections of an earlier run in TIME_WAIT would count as a listener.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False


async def refuse_foreign(name: str, port: int, what: str = "another program") -> None:
    """Raise DevstackConfigurationError, naming port and setting, when `port` stays taken."""
    end = time.monotonic() + _LAST_BREATH_S
    while in_use(port):
        if time.monotonic() > end:
            raise taken(name, port, what)
        await asyncio.sleep(_POLL_S)


def taken(name: str, port: int, what: str) -> DevstackConfigurationError:
    """The error for a port that somebody else answers."""
    return DevstackConfigurationError(
        f"Port {port} ({name}) on {HOST} is already in use by {what}: "
        f"stop it, or set {setting(name)} to a free port."
    )
