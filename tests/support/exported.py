"""Which metrics the code defines, read from the source: name, kind and labels of each."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_ROOMS = ("chassis", "services", "ops")
_KINDS = ("Counter", "Gauge", "Histogram")


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric as it is defined; `kind` is the class of prometheus_client."""

    name: str
    kind: str
    labels: frozenset[str]

    @property
    def series(self) -> frozenset[str]:
        """The names under which Prometheus stores it."""
        if self.kind == "Histogram":
            return frozenset(self.name + end for end in ("_bucket", "_sum", "_count"))
        return frozenset({self.name})


@cache
def metrics() -> dict[str, Metric]:
    """Every metric that chassis, services and ops define, by its name."""
    files = [file for room in _ROOMS for file in sorted((_ROOT / room).rglob("*.py"))]
    return {metric.name: metric for file in files for metric in _defined(file)}


def _defined(file: Path) -> Iterator[Metric]:
    for node in ast.walk(ast.parse(file.read_text())):
        match node:
            case ast.Call(
                func=ast.Name(id=kind), args=[ast.Constant(value=str(name)), _, *more]
            ) if kind in _KINDS and name.startswith("tenure_"):
                labels = ast.literal_eval(more[0]) if more else ()
                yield Metric(name, kind, frozenset(labels))
