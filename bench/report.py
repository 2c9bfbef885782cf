"""The tables of a run, for people."""

from rich.console import Console
from rich.table import Table

from bench.bare_mail import connections
from bench.measures import Measured
from bench.results import Results, latency


def show(results: Results, console: Console) -> None:
    """Print the figures with their ratios, memory, and the goals."""
    console.print(_figures(results))
    console.print(_by_process("Resident memory after the burst, MiB", results, "memory_mib", 0))
    title = "Processor time per paid order of the burst, ms"
    console.print(_by_process(title, results, "cpu_ms_per_order", 2))
    for goal in results.goals():
        verdict = "[green]met[/]" if goal.met else "[red]not met[/]"
        console.print(f"{goal.text}: {goal.reached:g}, {verdict}")
    if results.quick:
        console.print("A quick run tries the harness; its figures are no measurement.")


def _figures(results: Results) -> Table:
    floor, tenure, faust = results.floor, results.tenure, results.faust
    table = Table(title=f"{results.scale.orders:,} paid orders")
    for name in ("", "floor", "Tenure", "ratio"):
        table.add_column(name, justify="left" if not name else "right")
    table.add_row(
        "payments/s to the last entitlement",
        *_pair(floor.payments_per_s, tenure.payments_per_s),
    )
    table.add_row(
        "payments/s through billing", *_pair(floor.first_stage_per_s, tenure.first_stage_per_s)
    )
    table.add_row(
        f"the same, floor as a Faust agent ({results.scale.faust_orders:,} orders)",
        *_pair(floor.first_stage_per_s, faust.first_stage_per_s),
        style="dim",
    )
    table.add_row(
        f"mails/s to the last acceptance; bare loop, {connections()} connections",
        *_pair(results.bare_mails_per_s, tenure.mails_per_s),
    )
    for one in tenure.latency:
        theirs = latency(floor, one.rate_per_s)
        for share, left, right in (
            ("p50", theirs.p50_ms, one.p50_ms),
            ("p99", theirs.p99_ms, one.p99_ms),
        ):
            text = f"payment to entitlement-granted at {one.rate_per_s}/s, {share} ms"
            table.add_row(text, *_pair(left, right))
    return table


def _by_process(title: str, results: Results, figure: str, digits: int) -> Table:
    table = Table(title=title)
    table.add_column("")
    processes = list(getattr(results.tenure, figure))
    for process in processes:
        table.add_column(process, justify="right")
    rows: tuple[tuple[str, Measured], ...] = (
        ("floor", results.floor),
        ("Tenure", results.tenure),
        ("Faust agent", results.faust),
    )
    for name, measured in rows:
        sizes = getattr(measured, figure)
        if sizes:
            cells = (f"{sizes[p]:.{digits}f}" if p in sizes else "" for p in processes)
            table.add_row(name, *cells)
    return table


def _pair(left: float | None, right: float | None) -> tuple[str, str, str]:
    if left is None or right is None:
        return "", "", ""
    return f"{left:,.0f}", f"{right:,.0f}", f"{right / left:.2f}"
