"""Processor time by process: unlike rates, it hardly depends on what else the machine does."""

from collections.abc import Mapping

import psutil


def cpu_s(pids: Mapping[str, int]) -> dict[str, float]:
    """Seconds of processor time that each process and its children have used until now."""
    return {name: _with_children(psutil.Process(pid)) for name, pid in pids.items()}


def per_order_ms(
    before: Mapping[str, float], after: Mapping[str, float], orders: int
) -> dict[str, float]:
    """Milliseconds of processor time per paid order between two readings."""
    return {name: round(1000 * (after[name] - before[name]) / orders, 2) for name in after}


def _with_children(process: psutil.Process) -> float:
    times = process.cpu_times()
    used = times.user + times.system + times.children_user + times.children_system
    for child in process.children(recursive=True):
        try:
            own = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        used += own.user + own.system
    return float(used)
