"""`python -m devstack up` runs the local stack; `python -m devstack fetch` only prepares it."""

import argparse
import asyncio
import signal
import sys
import time
from pathlib import Path

from devstack.errors import DevstackError
from devstack.kafka_files import prepare
from devstack.kafka_training import train
from devstack.ports import HOST
from devstack.stack import PARTS, EmbeddedStack, default_state_dir


def _say(sentence: str) -> None:
    print(sentence, flush=True)


async def _fetch() -> None:
    began = time.monotonic()
    files = await asyncio.to_thread(prepare, _say, verify=True)
    await train(files, _say)
    _say(f"Apache Kafka is ready to start ({time.monotonic() - began:.1f} s): {files.folder}")


async def _up(state_dir: Path, parts: frozenset[str]) -> None:
    stop = asyncio.Event()
    for sig in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(sig, stop.set)
    began = time.monotonic()
    stack = EmbeddedStack(state_dir, say=_say, parts=parts)
    asked = asyncio.create_task(stop.wait())
    start = asyncio.create_task(stack.start())
    await asyncio.wait({asked, start}, return_when=asyncio.FIRST_COMPLETED)
    if not start.done():  # Ctrl-C while starting
        start.cancel()
        await asyncio.wait({start})
        return
    await start
    try:
        _say(_table(stack))
        _say(f"Ready in {time.monotonic() - began:.1f} s. Ctrl-C stops it; the data stays.")
        watch = asyncio.create_task(stack.watch())
        await asyncio.wait({asked, watch}, return_when=asyncio.FIRST_COMPLETED)
        if watch.done():
            await watch
        watch.cancel()
    finally:
        await stack.stop()
    _say("Stopped.")


def _table(stack: EmbeddedStack) -> str:
    rows = []
    if "kafka" in stack.parts:
        rows.append(("Kafka", stack.kafka.bootstrap_servers))
    if "postgres" in stack.parts:
        rows.append(
            (
                "PostgreSQL",
                f"{HOST}:{stack.ports.postgres}, database tenure, passwords in "
                f"{stack.state_dir / 'roles.json'}",
            )
        )
    if "mailbox" in stack.parts:
        rows += [("SMTP", f"{HOST}:{stack.ports.smtp}"), ("Mailbox", stack.mailbox.url)]
    rows.append(("Data", str(stack.state_dir)))
    return "\n".join(f"  {name:<11} {address}" for name, address in rows)


def main(arguments: list[str] | None = None) -> int:
    """Run a command line; the exit status (0, 69 a dependency, 78 a setting)."""
    parser = argparse.ArgumentParser(prog="python -m devstack", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start everything and stay until Ctrl-C")
    up.add_argument("--state", type=Path, help="folder for the data (default TENURE_STATE_DIR)")
    up.add_argument(
        "--without",
        action="append",
        default=[],
        choices=sorted(PARTS),
        help="leave this part out: you run your own",
    )
    commands.add_parser("fetch", help="fetch Apache Kafka and train its start, nothing else")
    options = parser.parse_args(arguments)
    try:
        if options.command == "fetch":
            asyncio.run(_fetch())
        else:
            asyncio.run(
                _up(options.state or default_state_dir(), PARTS - frozenset(options.without))
            )
    except DevstackError as error:
        print(f"devstack: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
