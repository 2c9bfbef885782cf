"""One short run of the whole bench: every figure is there, and both peers passed the same messages."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parents[2]
ORDERS = 200
PEER = {
    "orders",
    "payments_per_s",
    "first_stage_per_s",
    "mails_per_s",
    "records_per_order",
    "memory_mib",
    "cpu_ms_per_order",
    "latency",
}


@pytest.mark.xdist_group("bench")
@pytest.mark.timeout(300)
def test_quick_run_writes_every_figure(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench", "--quick", "--orders", str(ORDERS)]
    done = subprocess.run(
        [*command, "--results", str(tmp_path)],
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "payments/s to the last entitlement" in done.stdout
    (file,) = tmp_path.glob("*.json")
    results: dict[str, Any] = json.loads(file.read_text())
    assert 0 < results["ratio_to_floor"] < 10
    assert results["quick"] is True
    assert results["machine"].keys() >= {"cpus", "cpu_model", "memory_gib", "python", "packages"}
    assert [goal.keys() for goal in results["goals"]] == [{"text", "reached", "met"}] * 2
    for peer in ("floor", "tenure", "faust_first_stage"):
        assert results[peer].keys() == PEER
    for peer in ("floor", "tenure"):
        assert [one["rate_per_s"] for one in results[peer]["latency"]] == [100, 500]
        assert results[peer]["memory_mib"].keys() == {"billing", "licensing", "notifications"}
    # The floor passes what Tenure passes; only the mails that it does not send go unreported.
    told = results["tenure"]["records_per_order"]
    assert results["floor"]["records_per_order"] == {**told, "notifications.events": 1.0}
    assert told["notifications.events"] == 2.0
    assert results["faust_first_stage"]["first_stage_per_s"] > 0
    assert results["tenure"]["mails_per_s"] > 0
    assert results["bare_mails_per_s"] > 0
