"""Child processes that log to a file, may run as another user, and never outlive us."""

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil

from devstack.errors import DevstackError
from devstack.identity import Identity, become

_PR_SET_PDEATHSIG = 1
_POLL_S = 0.01
# Loaded before any fork: the child must not take the import lock or the loader's.
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Child:
    """A running child process and the file that holds what it printed."""

    name: str
    popen: subprocess.Popen[bytes]
    log_path: Path

    @property
    def pid(self) -> int:
        """Process id, which is also the id of the child's own session and group."""
        return self.popen.pid

    def running(self) -> bool:
        """Whether the process still runs (this also reaps it when it does not)."""
        return self.popen.poll() is None

    def tail(self, limit_bytes: int = 1500) -> str:
        """The end of the log, for error messages."""
        if not self.log_path.exists():
            return ""
        with self.log_path.open("rb") as log:
            log.seek(max(0, self.log_path.stat().st_size - limit_bytes))
            return log.read().decode(errors="replace").strip()

    async def wait(self, timeout_s: float) -> bool:
        """Wait for the end; False when the process still runs after `timeout_s` seconds."""
        end = time.monotonic() + timeout_s
        while self.running():
            if time.monotonic() > end:
                return False
            await asyncio.sleep(_POLL_S)
        return True

    async def stop(self, sig: int = signal.SIGTERM, timeout_s: float = 20.0) -> int:
        """Send `sig`, wait `timeout_s` seconds, then kill the whole group; the exit status."""
        if self.running():
            self.popen.send_signal(sig)
            if not await self.wait(timeout_s):
                os.killpg(self.pid, signal.SIGKILL)
                await self.wait(timeout_s)
        return self.popen.returncode if self.popen.returncode is not None else -signal.SIGKILL


async def wait_for_predecessor(name: str, *marks: str, timeout_s: float = 20.0) -> None:
    """Wait for the end of any process with all `marks` among its arguments.

    A child whose parent was killed needs a moment to shut down; until then it has its files and
    ports. Raises DevstackError when it is still there after `timeout_s` seconds.
    """
    end = time.monotonic() + timeout_s
    while (pid := _find(set(marks))) is not None:
        if time.monotonic() > end:
            raise DevstackError(
                f"Another {name} (process {pid}) still works on {marks[-1]}: "
                "stop it, or set TENURE_STATE_DIR to another folder."
            )
        await asyncio.sleep(0.05)


def _find(marks: set[str]) -> int | None:
    for process in psutil.process_iter(["cmdline"]):
        if marks <= set(process.info["cmdline"] or ()):
            return int(process.pid)
    return None


def spawn(
    name: str,
    argv: Sequence[str | Path],
    *,
    log_path: Path,
    death_signal: int,
    identity: Identity | None = None,
    env: Mapping[str, str] | None = None,
) -> Child:
    """Start `argv` in a session of its own; `death_signal` reaches it when we die in any way.

    Raises DevstackError outside the main thread or when the program cannot be started.
    """
    if threading.current_thread() is not threading.main_thread():
        # The kernel sends the signal when the *thread* that forked ends, not the process.
        raise DevstackError(
            f"{name} must be started from the main thread: a helper thread's end would stop it."
        )
    log_path.parent.mkdir(parents=True, exist_ok=True)
    with log_path.open("ab") as log:
        try:
            popen = subprocess.Popen(
                [str(part) for part in argv],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=None if env is None else dict(env),
                start_new_session=True,
                preexec_fn=partial(_in_child, os.getpid(), death_signal, identity),
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise _refused(name, argv[0], error, identity) from error
    return Child(name, popen, log_path)


def _in_child(parent_pid: int, death_signal: int, identity: Identity | None) -> None:
    if identity is not None:
        become(identity)
    if sys.platform == "linux":
        # After the change of user, which would clear it.
        _libc.prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        if os.getppid() != parent_pid:  # we died between fork and prctl
            os._exit(1)


def _refused(
    name: str, program: str | Path, error: Exception, identity: Identity | None
) -> DevstackError:
    advice = ""
    if identity is not None and identity.override:
        advice = (
            f" The user {identity.name} must reach that program and the state folder: "
            "set TENURE_STATE_DIR, and install outside a closed home."
        )
    return DevstackError(f"{name} cannot be started from {program}: {error}{advice}")
