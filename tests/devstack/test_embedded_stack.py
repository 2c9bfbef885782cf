"""The stack as a whole: one holder per folder, data that stays, and nothing left behind."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from dataclasses import astuple
from pathlib import Path

import asyncpg
import psutil
import pytest

from devstack.errors import DevstackConfigurationError
from devstack.ports import Ports
from devstack.stack import EmbeddedStack, running_environment

PROJECT = Path(__file__).resolve().parents[2]
HOLDER = """
import asyncio, sys
from pathlib import Path
from devstack.ports import Ports
from devstack.stack import EmbeddedStack

async def main():
    async with EmbeddedStack(Path(sys.argv[1]), Ports(*map(int, sys.argv[2:]))) as stack:
        print(stack.kafka.pid, stack.postgres.pid, stack.mailbox.pid, flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


async def test_data_stays_and_the_folder_has_one_holder(tmp_path: Path) -> None:
    ports = Ports.free()
    async with EmbeddedStack(tmp_path, ports) as stack:
        environment = stack.environment()
        assert running_environment(tmp_path) == environment
        assert (tmp_path / "environment.json").stat().st_mode & 0o777 == 0o600
        with pytest.raises(DevstackConfigurationError, match="in use by another running stack"):
            await EmbeddedStack(tmp_path, Ports.free()).start()
        connection = await asyncpg.connect(environment["MIGRATOR_DATABASE_URL"])
        await connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        await connection.close()
    assert running_environment(tmp_path) is None
    assert not (tmp_path / "environment.json").exists()

    async with EmbeddedStack(tmp_path, ports, parts={"postgres"}) as stack:
        assert "KAFKA_BOOTSTRAP_SERVERS" not in stack.environment()
        assert stack.environment()["OPS_DATABASE_URL"] == environment["OPS_DATABASE_URL"]
        connection = await asyncpg.connect(environment["MIGRATOR_DATABASE_URL"])
        assert await connection.fetchval("SELECT answer FROM kept") == 42
        await connection.close()


async def test_foreign_server_stops_the_start_and_leaves_nothing(tmp_path: Path) -> None:
    ports = Ports.free()
    with socket.create_server(("127.0.0.1", ports.smtp)):
        stack = EmbeddedStack(tmp_path, ports)
        with pytest.raises(
            DevstackConfigurationError, match=f"Port {ports.smtp} .*TENURE_SMTP_PORT"
        ):
            await stack.start()
    assert stack.kafka.pid is stack.postgres.pid is stack.mailbox.pid is None
    assert not processes_naming(tmp_path)
    assert not (tmp_path / "environment.json").exists()


async def test_port_of_a_process_that_is_just_ending_is_waited_for(tmp_path: Path) -> None:
    # The kernel takes a killed process's arguments, by which we know it, before its sockets.
    ports = Ports.free()
    ending = socket.create_server(("127.0.0.1", ports.smtp))
    asyncio.get_running_loop().call_later(0.3, ending.close)
    async with EmbeddedStack(tmp_path, ports, parts={"mailbox"}) as stack:
        assert stack.mailbox.pid is not None


async def test_kill_of_the_parent_takes_everything_along(tmp_path: Path) -> None:
    ports = Ports.free()
    holder = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        HOLDER,
        str(tmp_path),
        *map(str, astuple(ports)),
        stdout=subprocess.PIPE,
        cwd=PROJECT,
    )
    assert holder.stdout is not None
    pids = [int(word) for word in (await holder.stdout.readline()).split()]
    assert len(pids) == 3
    holder.kill()
    await holder.wait()
    assert running_environment(tmp_path) is None  # although its file is still there
    # at once, while the orphans are still on their way out
    async with EmbeddedStack(tmp_path, ports) as stack:
        assert not {stack.kafka.pid, stack.postgres.pid, stack.mailbox.pid} & set(pids)
        assert json.loads((tmp_path / "environment.json").read_text()) == stack.environment()
        assert not [pid for pid in pids if alive(pid)]
    assert not processes_naming(tmp_path)


def alive(pid: int) -> bool:
    try:  # a container's first process may not reap orphans: what has ended counts as gone
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def processes_naming(folder: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if process.pid != os.getpid() and str(folder) in " ".join(process.info["cmdline"] or []):
            found.append(process)
    return found


def test_unknown_part_is_a_programming_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown parts"):
        EmbeddedStack(tmp_path, Ports(), parts={"zookeeper"})
