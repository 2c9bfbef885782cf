"""The files of one broker: its properties, its logging, its identity on disk."""

import base64
import os
import re
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path

from devstack.ports import HOST

NODE_ID = 1
_MIB = 1024 * 1024

_FIXED = {
    "process.roles": "broker,controller",
    "node.id": NODE_ID,
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    # One node: every internal topic has one copy, and few partitions keep the start short.
    "offsets.topic.replication.factor": 1,
    "offsets.topic.num.partitions": 4,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "transaction.state.log.num.partitions": 4,
    "share.coordinator.state.topic.replication.factor": 1,
    "share.coordinator.state.topic.min.isr": 1,
    "share.coordinator.state.topic.num.partitions": 4,
    # A broker that was killed may register again only when its old session has run out: with the
    # default of 9 s every restart after a crash would take 11 s.
    "broker.session.timeout.ms": 2500,
    "broker.heartbeat.interval.ms": 500,
    # A misspelt topic must be an error, not a new topic.
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": 0,
    # A stack that rested for a month must not forget where its groups stood.
    "offsets.retention.minutes": 400 * 24 * 60,
    "message.max.bytes": 2 * _MIB,
    "replica.fetch.max.bytes": 2 * _MIB,
    # Each written partition reserves two index files of this size (10 MiB by default).
    "log.index.size.max.bytes": _MIB // 4,
    # The default of 128 MiB does not fit beside everything else in a small heap.
    "log.cleaner.dedupe.buffer.size": 16 * _MIB,
    # Deleted test topics give their file descriptors back at once.
    "log.segment.delete.delay.ms": 1000,
    "num.network.threads": 2,
    "num.io.threads": 4,
}

_LOGGING = """\
status = error
shutdownHook = disable
appender.file.type = RollingFile
appender.file.name = FILE
appender.file.fileName = {log}
appender.file.filePattern = {log}.%i
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{{ISO8601}} %p %m (%c{{1}})%n
appender.file.policies.type = Policies
appender.file.policies.size.type = SizeBasedTriggeringPolicy
appender.file.policies.size.size = 20MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = 2
rootLogger.level = info
rootLogger.appenderRef.file.ref = FILE
logger.config.name = org.apache.kafka.common.config.AbstractConfig
logger.config.level = warn
"""


def properties(
    data: Path,
    *,
    port: int,
    controller_port: int,
    session_timeout_min_ms: int,
    more: Mapping[str, object] | None = None,
) -> str:
    """The text of server.properties for a broker with its records in `data`; `more` wins."""
    settings: dict[str, object] = {
        **_FIXED,
        "controller.quorum.voters": f"{NODE_ID}@{HOST}:{controller_port}",
        "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port}",
        "group.min.session.timeout.ms": session_timeout_min_ms,
        "log.dirs": str(data).replace("\\", "\\\\"),
        **(more or {}),
    }
    return "".join(f"{key}={value}\n" for key, value in settings.items())


def logging_properties(log: Path) -> str:
    """A log4j2 configuration that writes one bounded, rolling file."""
    return _LOGGING.format(log=log)


def new_id() -> str:
    """A random id as Kafka writes them: 22 characters, the first of them no dash."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):  # the tools would take it for an option
            return text


def create_data(template: Path, data: Path) -> None:
    """Make `data` a formatted folder with a cluster id of its own, whole or not at all."""
    fresh = data.with_name("data.new")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(template, fresh)
    meta = fresh / "meta.properties"
    text = re.sub(r"(?m)^cluster\.id=.*$", f"cluster.id={new_id()}", meta.read_text())
    meta.write_text(re.sub(r"(?m)^directory\.id=.*$", f"directory.id={new_id()}", text))
    os.replace(fresh, data)


def cluster_id(data: Path) -> str:
    """The cluster id that `data` was formatted with, or "" when it has none."""
    match = re.search(r"(?m)^cluster\.id=(.*)$", (data / "meta.properties").read_text())
    return match.group(1).strip() if match else ""
