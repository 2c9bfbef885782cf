"""The table of crash points at the end of a run, printed by the process that controls the workers."""

from typing import Any

#: The property of a test report that the summary prints.
OUTCOME = "crash outcome"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """One line per crash point, with its outcome."""
    reports = [r for group in ("passed", "failed") for r in terminalreporter.stats.get(group, [])]
    lines = [value for r in reports for name, value in r.user_properties if name == OUTCOME]
    if lines:
        terminalreporter.section("crash points")
        head = ("point", "service", "hit", "recovery", "outcome")
        terminalreporter.write_line("{:<24} {:<14} {:<5} {:>8}   {}".format(*head))
        for line in sorted(lines):
            terminalreporter.write_line(line)
