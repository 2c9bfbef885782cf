"""Wrong settings and files end in a sentence, not in a trace."""

import hashlib
from pathlib import Path, PurePosixPath

import pytest

from devstack import kafka_jars
from devstack.__main__ import main
from devstack.errors import DevstackConfigurationError, DevstackError
from devstack.java import find_java
from devstack.ports import Ports


def test_ports_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENURE_KAFKA_PORT", "12345")
    assert Ports.from_environment() == Ports(kafka=12345)
    monkeypatch.setenv("TENURE_KAFKA_PORT", "kafka")
    with pytest.raises(DevstackConfigurationError, match="TENURE_KAFKA_PORT is 'kafka'"):
        Ports.from_environment()


def test_old_java_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "java").touch()
    (tmp_path / "release").write_text('JAVA_VERSION="11.0.2"\n')
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(DevstackConfigurationError, match=r"Java 11\.0\.2.*needs 17.*JAVA_HOME"):
        find_java()
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "nowhere"))
    with pytest.raises(DevstackConfigurationError, match="correct JAVA_HOME"):
        find_java()


def test_command_line_prints_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    assert main(["fetch"]) == 78
    assert capsys.readouterr().err.startswith("devstack: JAVA_HOME is /nowhere")


def test_the_list_of_jars_is_complete() -> None:
    jars = kafka_jars.listed_jars()
    assert len({jar.name for jar in jars}) == len(jars) == 46
    assert all(len(jar.sha256) == 64 and jar.name.endswith(".jar") for jar in jars)


def test_jar_with_other_bytes_is_never_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jar = kafka_jars.Jar(hashlib.sha256(b"right").hexdigest(), PurePosixPath("g/a/1/a-1.jar"))
    libs, repository = tmp_path / "libs", Repository(tmp_path / "download.jar")
    libs.mkdir()
    with pytest.raises(DevstackError, match=r"a-1\.jar .*SHA-256"):
        kafka_jars._fetch_one(repository, jar, libs)  # type: ignore[arg-type]
    assert not [*libs.iterdir()]
    repository.answers[:] = [b"cut sho", b"right"]
    kafka_jars._fetch_one(repository, jar, libs)  # type: ignore[arg-type]
    assert (libs / "a-1.jar").read_bytes() == b"right"


class Repository:
    """Stands for jgo's context and all that hangs on it."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.answers: list[bytes] = []

    def project(self, group: str, artifact: str) -> "Repository":
        assert (group, artifact) == ("g", "a")
        return self

    def at_version(self, version: str) -> "Repository":
        assert version == "1"
        return self

    def artifact(self) -> "Repository":
        return self

    def resolve(self) -> Path:
        self.target.write_bytes(self.answers.pop(0) if self.answers else b"wrong")
        return self.target
