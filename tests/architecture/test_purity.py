"""The pure rooms stay pure: no clock, no randomness, no environment, no float; same files in all services."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PURE = sorted(
    file
    for folder in (
        "contracts",
        "ledger",
        *(f"services/{s}/domain" for s in ("billing", "licensing", "notifications")),
    )
    for file in (ROOT / folder).rglob("*.py")
    if file.name not in ("schema_files.py", "compatibility.py")  # tools that are run by make
)
FORBIDDEN = {
    "now",
    "utcnow",
    "today",
    "uuid4",
    "uuid1",
    "uuid7",
    "urandom",
    "getenv",
    "monotonic",
    "sleep",
}


@pytest.mark.parametrize("file", PURE, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_clock_no_randomness_no_float(file: Path) -> None:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            assert node.func.attr not in FORBIDDEN, f"line {node.lineno}: {node.func.attr}()"
        if isinstance(node, ast.Name):
            assert node.id != "float", f"line {node.lineno}: money and time know no float"
        if isinstance(node, ast.AsyncFunctionDef):
            pytest.fail(f"line {node.lineno}: nothing pure waits")


@pytest.mark.parametrize("service", ["billing", "licensing", "notifications"])
def test_after_one_service_you_know_all(service: str) -> None:
    folder = ROOT / "services" / service
    for name in (
        "__main__.py",
        "settings.py",
        "store.py",
        "README.md",
        "sql",
        "domain",
        "domain/decide.py",
    ):
        assert (folder / name).exists(), f"{service} lacks {name}"
    readme = (folder / "README.md").read_text()
    for chapter in ("Owns", "Does not own", "Consumes", "Publishes", "Invariants"):
        assert chapter in readme, f"{service}/README.md lacks '{chapter}'"


def test_no_module_outgrows_its_reason() -> None:
    rooms = ("contracts", "ledger", "policies", "chassis", "services", "ops", "devstack", "bench")
    long = {
        str(file.relative_to(ROOT)): lines
        for room in rooms
        for file in (ROOT / room).rglob("*.py")
        if (lines := len(file.read_text().splitlines())) > 300
    }
    assert not long, f"split by reason: {long}"
