"""A whole stack of one's own on a virtual clock: embedded, with the services and a payment system."""

import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from devstack.mailbox import Mailbox
from devstack.ports import Ports
from devstack.stack import EmbeddedStack
from ops.clock import VirtualClock
from ops.connection import Stack
from ops.supervisor import Services, free_ports
from ops.up import SIMULATOR, announce, prepare


@dataclass(frozen=True)
class VirtualStack:
    """Where it is."""

    stack: Stack
    mailbox: Mailbox


@asynccontextmanager
async def virtual_stack(
    folder: Path, start: datetime, *, digest_key: str, say: Callable[[str], None]
) -> AsyncIterator[VirtualStack]:
    """Start one on an emptied folder, its clock at `start`; it ends with the block.

    Raises DevstackError, Unavailable, WrongSetting.
    """
    shutil.rmtree(folder, ignore_errors=True)
    embedded = EmbeddedStack(folder, Ports.free(), say=say, durable=False)
    async with embedded:
        variables = {
            **embedded.environment(),
            "CLOCK": "virtual",
            "KAFKA_PARTITIONS": "3",
            "IDENTITY_DIGEST_KEY": digest_key,
        }
        await prepare(variables, simulator=True)
        async with VirtualClock(Stack(variables), exclusive=False) as clock:
            await clock.ensure_set(start)
        ports = free_ports("billing", "licensing", "notifications")
        services = Services(variables, state_dir=folder, ports=ports, companions=SIMULATOR)
        announce(folder, services.variables)
        async with services:
            yield VirtualStack(Stack(services.variables), embedded.mailbox)
