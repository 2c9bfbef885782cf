"""How dead letters and decisions about them look."""

from collections.abc import Iterable

from rich.table import Table

from contracts.audit import DeadLetterDecided
from contracts.envelope import Envelope
from ops.dead_letters import DeadLetter
from ops.phrases import short
from ops.terminal import moment, safe


def table(letters: Iterable[DeadLetter]) -> Table:
    """The dead letters as a table; ids whole, to be copied."""
    out = _table("id", "time (UTC)", "subject", "attempts", "behind", "code", "error")
    for letter in letters:
        out.add_row(
            str(letter.origin),
            moment(letter.at, seconds=True),
            safe(short(letter.subject) if len(letter.subject) == 36 else letter.subject),
            str(letter.attempts),
            str(letter.behind or ""),
            letter.code,
            safe(letter.error),
        )
    return out


def decisions(told: Iterable[Envelope]) -> Table:
    """What was decided, by whom and why."""
    out = _table("time (UTC)", "decision", "id", "code", "attempts", "who", "why")
    for message in told:
        data = message.data
        if isinstance(data, DeadLetterDecided):
            out.add_row(
                moment(message.time, seconds=True),
                f"{data.action}, edited" if data.edited else data.action,
                safe(message.subject),
                data.code,
                str(data.attempts),
                safe(data.who),
                safe(data.why or ""),
            )
    return out


def _table(*titles: str) -> Table:
    out = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for title in titles:
        out.add_column(title, no_wrap=title == "id", overflow="fold")
    return out
