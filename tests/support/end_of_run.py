"""The tables at the end of a run, printed by the process that controls the workers."""

from typing import Any

#: A line of a table is a property of a test report; these are the properties, by table.
OUTCOME, SECONDS, YEAR = "crash outcome", "seconds to an alert", "a year"
_TABLES = {
    OUTCOME: (
        "crash points",
        f"{'point':<24} {'service':<14} {'hit':<5} {'recovery':>8}   outcome",
    ),
    SECONDS: (
        "planted violations",
        f"{'alert':<26} {'bound':>7} {'raised':>9} {'resolved':>9}",
    ),
    YEAR: ("a watched year", f"{'what':<50} {'':>12}"),
}


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """One line per crash point, planted violation or figure; nothing where none was tested."""
    reports = [r for group in ("passed", "failed") for r in terminalreporter.stats.get(group, [])]
    for table, (title, head) in _TABLES.items():
        lines = [value for r in reports for name, value in r.user_properties if name == table]
        if lines:
            terminalreporter.section(title)
            terminalreporter.write_line(head.rstrip())
            for line in lines if table == YEAR else sorted(lines):
                terminalreporter.write_line(line)
