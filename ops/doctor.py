"""`tenure doctor`: whether this machine can run the local stack, and the remedy where it cannot."""

import shutil
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.table import Table
from rich.text import Text

from devstack.errors import DevstackError
from devstack.java import find_java
from devstack.ports import Ports, in_use, setting
from ops.connection import embedded, state_dir
from ops.errors import CheckFailed
from ops.terminal import console, emit, safe

_GIB = 1024**3
_DISK_NEEDED_GIB = 2.0
_OLDEST_PYTHON = (3, 11)
_PYPROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `remedy` is empty when it is well."""

    what: str
    found: str
    remedy: str = ""


def doctor(*, json: Annotated[bool, Parameter(help="One JSON object per line.")] = False) -> None:
    """Check Java, ports, disk, Python, packages and the state folder; say the remedy."""
    findings = list(examine())
    if json:
        for finding in findings:
            emit(asdict(finding))
    else:
        console().print(table(findings))
    wrong = [finding for finding in findings if finding.remedy]
    if wrong:
        raise CheckFailed(f"{len(wrong)} of {len(findings)} checks found something wrong.")


def table(findings: list[Finding]) -> Table:
    """The findings, each with its remedy below it when one is needed."""
    out = Table(box=None, show_header=False, pad_edge=False)
    for finding in findings:
        mark = Text("wrong", style="red") if finding.remedy else Text("ok", style="green")
        out.add_row(mark, finding.what, safe(finding.found))
        if finding.remedy:
            out.add_row("", "", safe(f"-> {finding.remedy}"))
    return out


def examine() -> Iterator[Finding]:
    """Everything that is looked at."""
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (
        python,
        packages,
        java,
        folder,
        disk,
        ports,
    )
    for check in checks:
        yield from check()


def python() -> Iterator[Finding]:
    """Whether this Python is new enough."""
    text = ".".join(str(number) for number in sys.version_info[:3])
    old = sys.version_info[:2] < _OLDEST_PYTHON
    yield Finding("Python", text, "Install Python 3.11 or newer." if old else "")


def packages() -> Iterator[Finding]:
    """Whether every pinned package is installed in its pinned version."""
    wrong = []
    for pin in _pins():
        name, _, wanted = pin.partition("==")
        name = name.split("[")[0]
        try:
            found = version(name)
        except PackageNotFoundError:
            found = "missing"
        if found != wanted:
            wrong.append(f"{name} is {found}, not {wanted}")
    remedy = "Run `make install`, or pip install -r requirements-dev.lock." if wrong else ""
    yield Finding("packages", "; ".join(wrong) or "all in their pinned versions", remedy)


def _pins() -> list[str]:
    """What an operator needs: the runtime and the local stack, not the development tools."""
    if _PYPROJECT.is_file():
        project = tomllib.loads(_PYPROJECT.read_text())["project"]
        return [*project["dependencies"], *project["optional-dependencies"]["devstack"]]
    try:
        lines = requires("tenure") or []
    except PackageNotFoundError:
        return []
    pins = [line.partition(";") for line in lines]
    return [pin.strip() for pin, _, extra in pins if "extra" not in extra or "devstack" in extra]


def java() -> Iterator[Finding]:
    """Which Java would run Kafka."""
    try:
        found = find_java()
    except DevstackError as error:
        yield Finding("Java", "not usable", str(error))
    else:
        yield Finding("Java", f"{found.version} ({found.path})")


def folder() -> Iterator[Finding]:
    """Whether the state folder can be written."""
    path = state_dir().resolve()
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / ".doctor"
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        remedy = "Set TENURE_STATE_DIR to a folder of yours."
        yield Finding("state folder", f"{path}: {error.strerror}", remedy)
    else:
        yield Finding("state folder", str(path))


def disk() -> Iterator[Finding]:
    """Whether there is room for Kafka's and PostgreSQL's files."""
    path = next(p for p in (state_dir().resolve(), *state_dir().resolve().parents) if p.exists())
    free = shutil.disk_usage(path).free / _GIB
    remedy = f"Free {_DISK_NEEDED_GIB:g} GiB, or set TENURE_STATE_DIR to another disk."
    yield Finding("disk", f"{free:.1f} GiB free", remedy if free < _DISK_NEEDED_GIB else "")


def ports() -> Iterator[Finding]:
    """Whether each port is free, or taken by the stack that runs here."""
    try:
        wanted = vars(Ports.from_environment())
    except DevstackError as error:
        yield Finding("ports", "wrong setting", str(error))
        return
    ours = bool(embedded(state_dir()))
    taken = {name: port for name, port in wanted.items() if in_use(port)}
    if ours or not taken:
        whose = "ours, running" if ours else "all free"
        numbers = ", ".join(f"{name} {port}" for name, port in wanted.items())
        yield Finding("ports", f"{whose}: {numbers}")
        return
    for name, port in taken.items():
        remedy = f"Stop what listens there, or set {setting(name)} to a free port."
        yield Finding("port", f"{port} ({name}) is taken by another program", remedy)
