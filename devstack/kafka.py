"""One Apache Kafka node (broker and controller) as a child process, durable in its folder."""

import asyncio
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path

from devstack import kafka_config
from devstack.errors import DevstackError
from devstack.kafka_files import KafkaFiles, prepare
from devstack.kafka_jars import Say
from devstack.kafka_probe import ask
from devstack.kafka_training import train
from devstack.ports import HOST, refuse_foreign, taken
from devstack.processes import Child, spawn, wait_for_predecessor

_READY_POLL_S = 0.02
_MAIN_CLASS = "kafka.Kafka"


class Kafka:
    """A broker on `port` whose records live in `<state_dir>/kafka`."""

    def __init__(
        self,
        state_dir: Path,
        port: int,
        controller_port: int,
        *,
        session_timeout_min_ms: int = 6000,
        more: Mapping[str, object] | None = None,
        say: Say = lambda sentence: None,
    ) -> None:
        """Nothing is started or written yet. A group may not ask for a session timeout below
        `session_timeout_min_ms` milliseconds; `more` are broker settings, which win over ours."""
        self.port = port
        self.controller_port = controller_port
        self._session_timeout_min_ms = session_timeout_min_ms
        self._more = more
        self._say = say
        self._folder = state_dir.resolve() / "kafka"
        self._data = self._folder / "data"
        self._config = self._folder / "server.properties"
        self._log = state_dir.resolve() / "logs" / "kafka.log"
        self._child: Child | None = None

    @property
    def bootstrap_servers(self) -> str:
        """The address for clients, "host:port"."""
        return f"{HOST}:{self.port}"

    @property
    def pid(self) -> int | None:
        """Process id of the running broker, or None."""
        return self._child.pid if self._child is not None and self._child.running() else None

    async def start(self, timeout_s: float = 60.0) -> None:
        """Start and wait until the broker answers as ours; does nothing while it runs.

        Raises DevstackError when files are missing, a port is taken, or the broker gives up.
        """
        if self.pid is not None:
            return
        files = await asyncio.to_thread(prepare, self._say)
        await train(files, self._say)
        if not self._data.is_dir():
            self._folder.mkdir(parents=True, exist_ok=True)
            kafka_config.create_data(files.template, self._data)
        await wait_for_predecessor("Kafka", _MAIN_CLASS, str(self._config))
        await self._refuse_foreign()
        self._child = self._spawn(files)
        await self._wait_until_ready(self._child, time.monotonic() + timeout_s)

    def _spawn(self, files: KafkaFiles) -> Child:
        logging = self._folder / "log4j2.properties"
        self._config.write_text(
            kafka_config.properties(
                self._data,
                port=self.port,
                controller_port=self.controller_port,
                session_timeout_min_ms=self._session_timeout_min_ms,
                more=self._more,
            )
        )
        logging.write_text(kafka_config.logging_properties(self._log))
        return spawn(
            "Kafka",
            files.command(_MAIN_CLASS, self._config, logging=logging, extra=files.fast_start()),
            log_path=self._log.with_name("kafka-console.log"),
            death_signal=signal.SIGTERM,
        )

    async def _wait_until_ready(self, child: Child, end: float) -> None:
        ours = kafka_config.cluster_id(self._data)
        while True:
            view = await ask(self.port)
            if view is not None and view.cluster_id != ours:
                await self.kill()
                raise taken("kafka", self.port, f"a Kafka that is not ours ({view.cluster_id})")
            if view is not None and kafka_config.NODE_ID in view.node_ids:
                return
            if not child.running() or time.monotonic() > end:
                await self.kill()
                raise DevstackError(
                    f"Kafka did not become ready; the end of its log {self._log}:\n"
                    f"{self._last_words(child)}"
                )
            await asyncio.sleep(_READY_POLL_S)

    def _last_words(self, child: Child) -> str:
        return Child("Kafka", child.popen, self._log).tail() or child.tail()

    async def _refuse_foreign(self) -> None:
        view = await ask(self.port, timeout_s=1.0)
        what = "another program" if view is None else f"another Kafka (cluster {view.cluster_id})"
        await refuse_foreign("kafka", self.port, what)
        await refuse_foreign("controller", self.controller_port)

    async def stop(self, sig: int = signal.SIGTERM, timeout_s: float = 30.0) -> None:
        """Stop with `sig`; after `timeout_s` seconds by force. Does nothing when not running."""
        if self._child is not None:
            await self._child.stop(sig, timeout_s)
            self._child = None

    async def kill(self) -> None:
        """End it at once, as a crash would."""
        if self.pid is not None:
            os.killpg(self.pid, signal.SIGKILL)
        await self.stop(signal.SIGKILL)
