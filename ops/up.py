"""`tenure up`: the embedded stack with the services, in real time, until Ctrl-C; its data stays."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.table import Table

from chassis.errors import ConfigurationError
from chassis.kafka import apply_topics
from devstack.errors import DevstackError
from devstack.postgres_roles import write_private
from devstack.stack import PARTS, EmbeddedStack
from ops.connection import ENVIRONMENT_FILE, Stack, state_dir
from ops.database import migrate_all
from ops.errors import OpsError, Unavailable, WrongSetting
from ops.supervisor import EXIT_CONFIGURATION, Services
from ops.terminal import console, run, say

#: A part whose variable is set is somebody else's, and used as it is.
_OWN = {
    "kafka": ("KAFKA_BOOTSTRAP_SERVERS",),
    "postgres": ("DATABASE_URL", "BILLING_DATABASE_URL"),
    "mailbox": ("SMTP_URL",),
}
_SESSION = "KAFKA_SESSION_TIMEOUT_MS"
#: A killed service is missed soon; over a network that would be too eager.
_SESSION_MS = "6000"
SIMULATOR = {"simulator": "devstack.payments"}
WATCH = {"watch": "ops.watch"}
_WATCH_PORT, _WATCH_PORT_USUAL = "WATCH_HTTP_PORT", "8080"


def up(
    *,
    simulator: Annotated[
        bool, Parameter(help="A payment system that answers charges and refunds.")
    ] = True,
) -> None:
    """Run the local stack and the services in real time until Ctrl-C; the data stays."""
    try:
        run(_up(state_dir(), simulator=simulator))
    except DevstackError as error:
        wrong = error.exit_code == EXIT_CONFIGURATION
        raise (WrongSetting if wrong else Unavailable)(str(error)) from None


async def _up(folder: Path, *, simulator: bool) -> None:
    stop = asyncio.Event()
    for sig in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(sig, stop.set)
    running = asyncio.ensure_future(_run(folder, simulator=simulator))
    asked = asyncio.ensure_future(stop.wait())
    await asyncio.wait({running, asked}, return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    if not running.done():
        say("Stopping; the data stays.")
        running.cancel()
    try:
        await running
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


async def _run(folder: Path, *, simulator: bool) -> None:
    began = time.monotonic()
    async with AsyncExitStack() as opened:
        parts = {part for part in PARTS if not any(os.environ.get(v) for v in _OWN[part])}
        session = os.environ.get(_SESSION, _SESSION_MS)
        embedded = EmbeddedStack(folder, say=say, parts=parts)
        await opened.enter_async_context(embedded)
        variables = {**embedded.environment(), "CLOCK": "real", _SESSION: session}
        await prepare(variables, simulator=simulator)
        companions = {**WATCH, **(SIMULATOR if simulator else {})}
        variables |= {_WATCH_PORT: os.environ.get(_WATCH_PORT) or _WATCH_PORT_USUAL}
        services = Services(variables, state_dir=folder, companions=companions)
        announce(folder, services.variables)
        await opened.enter_async_context(services)
        console().print(addresses(embedded, services))
        say(f"Ready in {time.monotonic() - began:.1f} s. Ctrl-C stops it; the data stays.")
        watches = [asyncio.ensure_future(w) for w in (embedded.watch(), services.watch(say))]
        try:
            await asyncio.gather(*watches)
        finally:
            for watch in watches:
                watch.cancel()


async def prepare(variables: Mapping[str, str], *, simulator: bool) -> None:
    """Migrations and topics of a stack that these variables, then the environment, name."""
    stack = Stack({**os.environ, **variables})
    await migrate_all(stack.database_url("MIGRATOR"), simulator=simulator)
    try:
        await apply_topics(stack.kafka)
    except ConfigurationError as error:
        raise OpsError(str(error)) from None


def announce(folder: Path, variables: Mapping[str, str]) -> None:
    """Tell the `tenure` command where the running stack and its services are."""
    text = json.dumps(dict(variables), indent=1) + "\n"
    write_private(folder.resolve() / ENVIRONMENT_FILE, text)


def addresses(embedded: EmbeddedStack, services: Services) -> Table:
    """Where everything is, and what to try next."""
    out = Table(box=None, show_header=False, pad_edge=False, padding=(0, 3, 0, 0))
    given = embedded.environment()
    for part, variable in (
        ("Kafka", "KAFKA_BOOTSTRAP_SERVERS"),
        ("SMTP", "SMTP_URL"),
        ("mailbox", "MAILBOX_URL"),
    ):
        if variable in given:
            out.add_row(part, given[variable])
    if "postgres" in embedded.parts:
        out.add_row("PostgreSQL", f"127.0.0.1:{embedded.ports.postgres}, database tenure")
    for name in services.names:
        out.add_row(name, services.url(name))
    out.add_row("watch", services.url("watch"))
    out.add_row("data, logs", str(embedded.state_dir))
    out.add_row()
    for words, what in (
        ("tenure publish FILE", "send an order or a payment, as a payment system would"),
        ("tenure tail", "watch every topic"),
        ("tenure timeline R-1001", "follow one subscription"),
        ("tenure status", "see whether all have caught up"),
        ("tenure top", "watch rates, lag, latency and alerts"),
        ("tenure alerts", "see what the watch found"),
    ):
        out.add_row(words, what)
    return out
