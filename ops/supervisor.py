"""The service processes of a stack: started, watched, killed and restarted as one or one by one."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from contracts.topics import SERVICES
from devstack import ports as devstack_ports
from devstack.processes import Child, spawn
from ops.errors import OpsError, Unavailable, WrongSetting
from ops.services_http import get

_POLL_S = 0.05
_START_S = 60.0
_BACKOFF_FIRST_S = 0.5
_BACKOFF_LONGEST_S = 30.0
#: A process that ran this long starts its backoff anew.
_STEADY_S = 60.0
EXIT_CONFIGURATION = 78
_ROOT = Path(__file__).resolve().parent.parent


class Services:
    """`python -m services.<name>` for each name; `async with Services(...)` starts and stops them.

    `environment` completes this process's own variables; of the database addresses each service
    sees only its own. Logs go to `<state_dir>/logs/<name>.log`. The processes die with us. Start it
    from the main thread.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        *,
        state_dir: Path,
        topic_prefix: str = "",
        group_prefix: str = "",
        ports: Mapping[str, int] | None = None,
        names: tuple[str, ...] = SERVICES,
        companions: Mapping[str, str] | None = None,
    ) -> None:
        """Nothing is started yet; without `ports` those of `environment`, else 8081 to 8083.

        `companions` (name -> module) run and restart beside the services, such as the simulator;
        they have no readiness.
        """
        self.names = names
        self._modules = {name: f"services.{name}" for name in names} | dict(companions or {})
        self.state_dir = state_dir.resolve()
        self._logs = self.state_dir / "logs"
        self._environment = {**environment}
        if topic_prefix:
            self._environment["KAFKA_TOPIC_PREFIX"] = topic_prefix
        if group_prefix:
            self._environment["KAFKA_GROUP_PREFIX"] = group_prefix
        defaults = dict(zip(SERVICES, (8081, 8082, 8083), strict=True))
        given = {**os.environ, **environment}
        for name in names:
            variable = f"{name.upper()}_HTTP_PORT"
            port = (ports or {}).get(name) or given.get(variable) or defaults[name]
            self._environment[variable] = str(port)
        self._children: dict[str, Child] = {}
        self._started: dict[str, float] = {}

    @property
    def variables(self) -> dict[str, str]:
        """The variables that clients need to find these services and their topics."""
        return dict(self._environment)

    def url(self, name: str) -> str:
        """The address of a service's HTTP side."""
        return f"http://127.0.0.1:{self._environment[f'{name.upper()}_HTTP_PORT']}"

    def pid(self, name: str) -> int | None:
        """Process id of a running service, or None."""
        child = self._children.get(name)
        return child.pid if child is not None and child.running() else None

    def exit_code(self, name: str) -> int | None:
        """How a service ended (negative: by that signal); None while it runs or before."""
        child = self._children.get(name)
        return None if child is None or child.running() else child.popen.returncode

    def log_tail(self, name: str) -> str:
        """The end of a service's log, empty before its first start."""
        child = self._children.get(name)
        return child.tail() if child is not None else ""

    def spawn(self, name: str, extra: Mapping[str, str] | None = None) -> None:
        """Start one service with `extra` variables; does nothing while it runs."""
        if self.pid(name) is not None:
            return
        self._children[name] = spawn(
            name,
            [sys.executable, "-m", self._modules[name]],
            log_path=self._logs / f"{name}.log",
            # Not SIGTERM: without its broker a service would drain for long, and it is crash-safe.
            death_signal=signal.SIGKILL,
            env={**self._variables_of(name), **(extra or {})},
        )
        self._started[name] = time.monotonic()

    def _variables_of(self, name: str) -> dict[str, str]:
        merged = {**os.environ, **self._environment}
        own = f"{name.upper()}_DATABASE_URL"
        kept = {k: v for k, v in merged.items() if not k.endswith("_DATABASE_URL") or k == own}
        inherited = os.environ.get("PYTHONPATH")
        kept["PYTHONPATH"] = f"{_ROOT}{os.pathsep}{inherited}" if inherited else str(_ROOT)
        return kept

    async def start(self) -> None:
        """Start all and wait until they are ready. Raises as `wait_ready`.

        After a crash the broker misses the former members only after their session timeout, so this
        waits longer than that.
        """
        for name in self._modules:
            self.spawn(name)
        await self.wait_ready(timeout_s=_START_S)

    async def wait_ready(self, *names: str, timeout_s: float = 30.0) -> None:
        """Wait until /readyz of the named services, or all, says yes.

        Raises WrongSetting for exit status 78, Unavailable for another end or no readiness in time.
        """
        end = time.monotonic() + timeout_s
        for name in names or self.names:
            while (await get(f"{self.url(name)}/readyz"))[0] != 200:
                self.refuse_dead(name)
                if time.monotonic() > end:
                    detail = (await get(f"{self.url(name)}/readyz"))[1]
                    raise Unavailable(
                        f"{name} is not ready after {timeout_s:g} s ({detail}); the end of its "
                        f"log:\n{self.log_tail(name)}"
                    )
                await asyncio.sleep(_POLL_S)

    def refuse_dead(self, name: str) -> None:
        """Raise WrongSetting or Unavailable with the end of the log when a service has ended."""
        code = self.exit_code(name)
        if code is not None:
            error: type[OpsError] = WrongSetting if code == EXIT_CONFIGURATION else Unavailable
            raise error(f"{name} ended with {code}; the end of its log:\n{self.log_tail(name)}")

    async def stop(self, *names: str, timeout_s: float = 30.0) -> None:
        """Stop the named services, or all, gracefully; by force after `timeout_s` seconds."""
        chosen = [self._children[name] for name in names or self._modules if name in self._children]
        await asyncio.gather(*(child.stop(signal.SIGTERM, timeout_s) for child in chosen))

    async def kill(self, name: str) -> None:
        """End one service at once, as a crash would."""
        if name in self._children:
            await self._children[name].stop(signal.SIGKILL)

    async def restart(self, name: str, extra: Mapping[str, str] | None = None) -> None:
        """Stop one service if it runs, start it again, and wait until it is ready."""
        await self.stop(name)
        self.spawn(name, extra)
        await self.wait_ready(name)

    async def watch(self, say: Callable[[str], None] = lambda sentence: None) -> None:
        """Return never: start again, with backoff, what ended non-zero.

        Raises WrongSetting when one ends with 78: only a changed setting can cure that.
        """
        pauses = dict.fromkeys(self._modules, _BACKOFF_FIRST_S)
        again_at: dict[str, float] = {}
        while True:
            for name in self._modules:
                code, now = self.exit_code(name), time.monotonic()
                if code == EXIT_CONFIGURATION:
                    self.refuse_dead(name)
                if not code:
                    continue
                if name not in again_at:
                    steady = now - self._started[name] > _STEADY_S
                    pause = _BACKOFF_FIRST_S if steady else pauses[name]
                    pauses[name] = min(pause * 2, _BACKOFF_LONGEST_S)
                    again_at[name] = now + pause
                    log = self._logs / f"{name}.log"
                    say(f"{name} ended with {code}; again in {pause:g} s. Its log: {log}")
                elif now >= again_at[name]:
                    del again_at[name]
                    self.spawn(name)
            await asyncio.sleep(_POLL_S)

    async def __aenter__(self) -> Self:
        """Start."""
        try:
            await self.start()
        except BaseException:
            await self.stop(timeout_s=5)
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        await self.stop()


def free_ports(*names: str) -> dict[str, int]:
    """One port per name (all services without names) that nobody listens on now."""
    chosen = names or SERVICES
    return dict(zip(chosen, devstack_ports.free_ports(len(chosen)), strict=True))
