"""The class path of Apache Kafka: fetched once, every byte checked against the committed list.

The list names each jar by its Maven path, so nothing has to be resolved again at a user's place
and no version can move by itself. `python -m devstack.kafka_jars` prints a new list (for upgrades).
"""

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from devstack.errors import DevstackError
from devstack.shared_cache import exclusive

if TYPE_CHECKING:
    from jgo.maven import MavenContext

KAFKA_VERSION = "4.3.1"
_BROKER = f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}"
_LOGGING = "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4"
_LIST = Path(__file__).with_name("kafka.sha256")
_ATTEMPTS = 3
_CONNECTIONS = 4
_PROBLEM_CHARACTERS = 250

Say = Callable[[str], None]


@dataclass(frozen=True)
class Jar:
    """One line of the list: the SHA-256 of a file and its path in a Maven repository."""

    sha256: str
    path: PurePosixPath

    @property
    def name(self) -> str:
        """The file name."""
        return self.path.name


def listed_jars() -> list[Jar]:
    """The committed list, sorted by file name: the order of the class path."""
    lines = (line.split() for line in _LIST.read_text().splitlines())
    jars = [Jar(sha256, PurePosixPath(path)) for sha256, path in lines]
    return sorted(jars, key=lambda jar: jar.name)


def fetch(libs: Path, say: Say) -> None:
    """Make `libs` hold every listed jar, intact. Raises DevstackError when one cannot be had."""
    from jgo.config import GlobalSettings  # 0.2 s of imports that a usual start does not need
    from jgo.maven import MavenContext

    jars = listed_jars()
    with exclusive(libs.parent, "fetch") as scratch:
        missing = [jar for jar in jars if _sha256(libs / jar.name) != jar.sha256]
        if not missing:
            return
        libs.mkdir(exist_ok=True)
        say(f"fetching Apache Kafka {KAFKA_VERSION}: {len(missing)} of {len(jars)} jars")
        # A repository of our own: jgo trusts whatever a killed run left in the shared one.
        context = MavenContext(repo_cache=scratch)
        context.remote_repos.update(GlobalSettings.load().repositories)
        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            done = pool.map(lambda jar: _fetch_one(context, jar, libs), missing)
            for count, jar in enumerate(done, 1):
                if count % 15 == 0 or count == len(missing):
                    say(f"  {count}/{len(missing)} {jar.name}")


def _fetch_one(context: "MavenContext", jar: Jar, libs: Path) -> Jar:
    *group, artifact, version, _ = jar.path.parts
    coordinate = context.project(".".join(group), artifact).at_version(version).artifact()
    problem = ""
    for _ in range(_ATTEMPTS):
        try:
            got = coordinate.resolve()
        except (OSError, RuntimeError) as error:  # every error of `requests` is an OSError
            problem = f"{type(error).__name__}: {error}"[:_PROBLEM_CHARACTERS]
            continue
        if _sha256(got) == jar.sha256:
            os.replace(got, libs / jar.name)
            return jar
        problem = "its SHA-256 is not the one in devstack/kafka.sha256"
        got.unlink()
    raise DevstackError(
        f"{jar.name} could not be fetched ({problem}): check the network and "
        "proxy settings and run `python -m devstack fetch` again."
    )


def _sha256(path: Path) -> str:
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _print_new_list() -> None:
    import jgo

    # The binding is resolved alone: in one expression the two change each other's versions.
    artifacts = [*jgo.resolve(_BROKER), jgo.resolve(_LOGGING)[0]]
    for artifact in sorted(artifacts, key=lambda each: each.filename):
        path = artifact.component.path_prefix / artifact.filename
        print(f"{_sha256(artifact.resolve())}  {path.as_posix()}")


if __name__ == "__main__":
    _print_new_list()
