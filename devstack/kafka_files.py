"""What a broker is started from: the jars, the Java command line, a formatted template."""

import hashlib
import os
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from devstack.errors import DevstackError
from devstack.java import Java, find_java
from devstack.kafka_config import new_id, properties
from devstack.kafka_jars import KAFKA_VERSION, Say, fetch, listed_jars
from devstack.shared_cache import cache_folder, exclusive

_AOT_SINCE_JAVA = 25
_UNSAFE_WARNS_SINCE_JAVA = 24
_HEAP = ("-Xms128m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError")
_QUIET = ("-XX:-UsePerfData", "-Djava.awt.headless=true")


@dataclass(frozen=True)
class KafkaFiles:
    """A complete Kafka on disk and how to run its classes."""

    folder: Path
    java: Java

    @property
    def libs(self) -> Path:
        """The folder of the jars."""
        return self.folder / "libs"

    @property
    def template(self) -> Path:
        """A formatted, never started data folder; copied by each new broker."""
        return self.folder / "template"

    @cached_property
    def class_path(self) -> list[Path]:
        """Every jar, sorted: the ahead-of-time cache is valid for exactly this order."""
        return [self.libs / jar.name for jar in listed_jars()]

    @cached_property
    def aot_cache(self) -> Path | None:
        """Where the ahead-of-time cache of this Java, these jars and flags is; None before 25."""
        if self.java.major < _AOT_SINCE_JAVA:
            return None
        # The JVM itself compares the path, time and size of each jar with those at training.
        jars = [f"{path} {path.stat().st_mtime_ns}" for path in self.class_path]
        text = "\n".join(
            [str(self.java), *_HEAP, *self._flags(), *jars, *(jar.sha256 for jar in listed_jars())]
        )
        key = hashlib.sha256(text.encode()).hexdigest()[:16]
        return self.folder / f"java-{self.java.version}-{key}.aot"

    def _flags(self) -> tuple[str, ...]:
        if self.java.major >= _UNSAFE_WARNS_SINCE_JAVA:
            return (
                *_QUIET,
                "--sun-misc-unsafe-memory-access=allow",
                "--enable-native-access=ALL-UNNAMED",
            )
        return _QUIET

    def command(
        self, main_class: str, *args: str | Path, logging: Path, extra: tuple[str, ...] = ()
    ) -> list[str]:
        """The argument list that runs `main_class` with the log4j2 configuration `logging`."""
        return [
            str(self.java.path),
            *_HEAP,
            *self._flags(),
            *extra,
            f"-Dlog4j2.configurationFile={logging}",
            "-cp",
            os.pathsep.join(str(path) for path in self.class_path),
            main_class,
            *(str(arg) for arg in args),
        ]

    def fast_start(self) -> tuple[str, ...]:
        """The flags that shorten a broker's start on this Java."""
        cache = self.aot_cache
        if cache is not None and cache.is_file():
            return (f"-XX:AOTCache={cache}", "-Xlog:disable", "-Xlog:all=error:stderr")
        return ("-XX:TieredStopAtLevel=1",)


def prepare(say: Say, *, verify: bool = False) -> KafkaFiles:
    """Fetch and format whatever is missing; blocks, and is safe to call from many processes.

    `verify` hashes the jars again and replaces any that changed on disk.
    Raises DevstackError when Java or a jar is missing or formatting fails.
    """
    files = KafkaFiles(cache_folder() / f"kafka-{KAFKA_VERSION}", find_java())
    complete = files.folder / "complete"
    # The stamp is the list that was checked: hashing 45 MB at every start would cost 0.1 s.
    listed = "".join(f"{jar.sha256}  {jar.path}\n" for jar in listed_jars())
    present = all(path.is_file() for path in files.class_path)
    if verify or not (present and complete.is_file() and complete.read_text() == listed):
        fetch(files.libs, say)
        complete.write_text(listed)
    if not files.template.is_dir():
        with exclusive(files.folder, "format") as scratch:
            if not files.template.is_dir():
                _format(files, scratch)
    return files


def _format(files: KafkaFiles, scratch: Path) -> None:
    config, data = scratch / "server.properties", scratch / "data"
    config.write_text(
        properties(data, port=9092, controller_port=9093, session_timeout_min_ms=6000)
    )
    (scratch / "log4j2.properties").write_text("rootLogger.level=error\n")
    done = subprocess.run(
        files.command(
            "kafka.tools.StorageTool",
            "format",
            "-t",
            new_id(),
            "-c",
            config,
            logging=scratch / "log4j2.properties",
            extra=("-XX:TieredStopAtLevel=1",),
        ),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise DevstackError(
            f"Kafka's storage tool failed: {done.stderr.strip()[-400:]} "
            f"(delete {files.folder} and run `python -m devstack fetch`)."
        )
    os.replace(data, files.template)
