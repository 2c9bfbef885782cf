"""Train the ahead-of-time cache of Java 25: one throw-away start makes all later ones fast."""

import asyncio
import os
import signal
from pathlib import Path

from devstack.kafka_config import create_data, logging_properties, properties
from devstack.kafka_files import KafkaFiles
from devstack.kafka_jars import Say
from devstack.kafka_probe import ask
from devstack.ports import Ports
from devstack.processes import spawn
from devstack.shared_cache import exclusive_async

_READY_TIMEOUT_S = 60.0
_WRITE_TIMEOUT_S = 120.0


async def train(files: KafkaFiles, say: Say) -> None:
    """Make the cache if this Java can use one and it is not there; failure only costs speed."""
    cache = files.aot_cache
    if cache is None or cache.is_file():
        return
    async with exclusive_async(files.folder, "training") as scratch:
        if cache.is_file():
            return
        say("training the broker's start on this Java, once (about 10 s)")
        if await _run(files, scratch):
            for outdated in files.folder.glob(f"java-{files.java.version}-*.aot"):
                outdated.unlink()  # 67 MB each; a running JVM keeps its own open
            os.replace(scratch / "broker.aot", cache)
        else:
            say("  training failed; brokers start about two seconds slower")


async def _run(files: KafkaFiles, scratch: Path) -> bool:
    ports, data, output = Ports.free(), scratch / "data", scratch / "broker.aot"
    create_data(files.template, data)
    config, logging = scratch / "server.properties", scratch / "log4j2.properties"
    config.write_text(
        properties(
            data, port=ports.kafka, controller_port=ports.controller, session_timeout_min_ms=6000
        )
    )
    logging.write_text(logging_properties(scratch / "kafka.log"))
    flags = (f"-XX:AOTCacheOutput={output}", "-Xlog:disable", "-Xlog:all=error:stderr")
    child = spawn(
        "Kafka (training)",
        files.command("kafka.Kafka", config, logging=logging, extra=flags),
        log_path=scratch / "console.log",
        death_signal=signal.SIGKILL,
    )
    try:
        async with asyncio.timeout(_READY_TIMEOUT_S):
            while child.running() and await ask(ports.kafka) is None:  # noqa: ASYNC110 - a poll
                await asyncio.sleep(0.05)
        # The cache is written on the way out, which takes several seconds.
        await child.stop(signal.SIGTERM, _WRITE_TIMEOUT_S)
    except TimeoutError:
        return False
    finally:
        await child.stop(signal.SIGKILL)  # for a start that failed or was cancelled
    return output.is_file()
