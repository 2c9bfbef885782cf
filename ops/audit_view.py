"""How an audit looks: a table of the invariants, then each violation with where to look."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ops.audit.findings import Violation
from ops.audit.invariants import INVARIANTS
from ops.audit.run import Report
from ops.terminal import moment, safe

#: Violations shown; `--json` has more.
SHOWN_MAX = 50


def render(report: Report) -> RenderableType:
    """The whole report."""
    parts: list[RenderableType] = [_table(report), Text()]
    shown = report.findings.violations[:SHOWN_MAX]
    parts += [line for violation in shown for line in _violation(violation)]
    if report.violations > len(shown):
        parts.append(Text(f"and {report.violations - len(shown)} more.", style="dim"))
    parts.append(_closing(report))
    return Group(*parts)


def _table(report: Report) -> Table:
    out = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 3, 0, 0))
    for title in ("", "invariant", "checked", "violations"):
        out.add_column(title, justify="right" if title in ("checked", "violations") else "left")
    for each in INVARIANTS:
        if each.note:
            out.add_row(each.name, each.sentence, Text(each.note, style="dim"), "")
            continue
        wrong = report.findings.wrong[each.name]
        colour = "red" if wrong else "green"
        checked = f"{report.findings.checked[each.name]:,}"
        out.add_row(each.name, each.sentence, checked, Text(f"{wrong:,}", style=colour))
    return out


def _violation(violation: Violation) -> list[Text]:
    head = Text(f"{violation.code}", style="bold red")
    head.append_text(safe(f"  {violation.subscription_id}  {violation.sentence}"))
    lines = [head]
    if violation.instants:
        when = ", ".join(moment(instant, seconds=True) for instant in violation.instants)
        lines.append(Text(f"    at {when} UTC", style="dim"))
    if violation.event_ids:
        lines.append(safe(f"    events {', '.join(violation.event_ids)}"))
    lines.append(Text(f"    {violation.command}", style="cyan"))
    return lines


def _closing(report: Report) -> Text:
    colour = "red" if report.violations else "green"
    words = f"{report.subscriptions:,} subscriptions at {moment(report.now)} UTC: "
    out = Text(words).append(f"{report.violations:,} violations", style=f"bold {colour}")
    if report.moving:
        out.append(f", {report.moving:,} still in motion and not judged")
    return out
