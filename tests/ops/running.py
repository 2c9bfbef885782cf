"""The command as a process of its own."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
Tenure = Callable[..., subprocess.CompletedProcess[str]]
#: A reference becomes a paid order; its order id.
Buy = Callable[[str], str]


def run_tenure(
    *arguments: str, state_dir: Path, stdin: str | None = None, **more: str
) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, as operators run it; `more` are variables."""
    kept = {k: v for k, v in os.environ.items() if not k.endswith("_URL") and "KAFKA" not in k}
    return subprocess.run(
        [sys.executable, "-m", "ops", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=state_dir,
        env={
            **kept,
            "PYTHONPATH": str(PROJECT),
            "TENURE_STATE_DIR": str(state_dir),
            "COLUMNS": "200",
            **more,
        },
        check=False,
    )
