"""The real stack of one test run, in a process of its own that starts nothing until it is asked.

`HeldStack` belongs to the controller of the run; workers ask with `addresses`. When the controller
ends, however it ends, the stack goes with it and its folder is removed.
"""

import asyncio
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
#: The migrated database that every worker's own is copied from.
TEMPLATE = "tests_template"
_WANTED, _ADDRESSES, _FAILED = "wanted", "addresses.json", "failed.txt"
_START_S, _STOP_S = 90.0, 40.0


class HeldStack:
    """Starts the waiting process; `close` ends it and what it started."""

    def __init__(self) -> None:
        """The process waits for the first worker that asks."""
        self.folder = Path(tempfile.mkdtemp(prefix="tenure-tests-"))
        # PostgreSQL is run by another user when we are root.
        self.folder.chmod(0o755)
        self._holder = subprocess.Popen(
            [sys.executable, "-m", __name__, str(self.folder)],
            stdin=subprocess.PIPE,
            start_new_session=True,
            cwd=PROJECT,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
        )

    def close(self) -> None:
        """Stop everything, by force when it takes too long."""
        if self._holder.stdin:
            self._holder.stdin.close()
        try:
            self._holder.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._holder.kill()
            self._holder.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def addresses(folder: Path) -> dict[str, str]:
    """The variables of the run's stack, which is started for the first who asks."""
    (folder / _WANTED).touch()
    end = time.monotonic() + _START_S
    while not (folder / _ADDRESSES).exists():
        if (folder / _FAILED).exists():
            raise RuntimeError(f"the stack did not start:\n{(folder / _FAILED).read_text()}")
        if time.monotonic() > end:
            raise RuntimeError(f"the stack did not start within {_START_S:g} s")
        time.sleep(0.02)
    found: dict[str, str] = json.loads((folder / _ADDRESSES).read_text())
    return found


def _released(timeout_s: float | None) -> bool:
    """Whether our standard input was closed, which the end of the controller does as well."""
    return bool(select.select([sys.stdin], [], [], timeout_s)[0])


async def _hold(folder: Path) -> None:
    from devstack.ports import Ports
    from devstack.postgres_roles import MIGRATOR, SUPERUSER
    from devstack.stack import EmbeddedStack
    from ops.database import migrate_all

    # Groups may miss a dead member soon; nothing here has to survive a power cut.
    stack = EmbeddedStack(folder, Ports.free(), durable=False, session_timeout_min_ms=500)
    async with stack:
        await stack.postgres.create_database(TEMPLATE)
        await migrate_all(stack.postgres.dsn(MIGRATOR, TEMPLATE), simulator=True)
        found = stack.environment()
        found["SUPERUSER_DATABASE_URL"] = stack.postgres.dsn(SUPERUSER, "postgres")
        fresh = folder / "addresses.new"
        fresh.write_text(json.dumps(found))
        fresh.rename(folder / _ADDRESSES)
        while not _released(0):  # noqa: ASYNC110 - another process lets go
            await asyncio.sleep(0.1)


def main() -> None:
    """Wait for the first who asks, hold the stack until the controller ends, clean up."""
    folder = Path(sys.argv[1])
    try:
        while not (folder / _WANTED).exists():
            if _released(0.05):
                return
        asyncio.run(_hold(folder))
    except Exception:
        (folder / _FAILED).write_text(traceback.format_exc())
        _released(_START_S)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
