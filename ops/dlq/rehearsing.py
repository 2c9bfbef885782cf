"""What a redrive would do, told before anything is sent."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.table import Table

from ops.dead_letters import DeadLetter
from ops.dlq.content import parsed, text_field
from ops.dlq.validating import Fault, refusal
from ops.terminal import safe


@dataclass(frozen=True)
class Rehearsed:
    """A dead letter, its type as far as it can be seen, and what its reader would still refuse."""

    letter: DeadLetter
    type: str
    fault: Fault | None


def rehearse(letters: Iterable[DeadLetter], now: datetime) -> list[Rehearsed]:
    """Read every message as its service would."""
    return [
        Rehearsed(
            letter,
            text_field(parsed(letter.value), "type"),
            refusal(letter.value, letter.origin.topic, now),
        )
        for letter in letters
    ]


def counted(plan: Iterable[Rehearsed]) -> list[dict[str, Any]]:
    """How many letters there are by service, topic, code, type and what would become of them."""
    groups: Counter[tuple[str, ...]] = Counter()
    behind: Counter[tuple[str, ...]] = Counter()
    for one in plan:
        origin = one.letter.origin
        again = one.fault.code if one.fault else ""
        group = (origin.service, origin.topic, one.letter.code, one.type, again)
        groups[group] += 1
        behind[group] += one.letter.behind
    names = ("service", "topic", "code", "type", "refused_again")
    return [
        {**dict(zip(names, group, strict=True)), "letters": number, "behind": behind[group]}
        for group, number in sorted(groups.items())
    ]


def table(plan: Iterable[Rehearsed], *, judged: bool) -> Table:
    """The same for people; `judged` when it matters whether a reader would take them."""
    out = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    last = ("would be",) if judged else ()
    for title in ("letters", "service", "topic", "code", "type", "behind", *last):
        out.add_column(title, justify="right" if title in ("letters", "behind") else "left")
    for row in counted(plan):
        again = row["refused_again"]
        out.add_row(
            str(row["letters"]),
            row["service"],
            row["topic"],
            row["code"],
            safe(row["type"] or "?"),
            str(row["behind"] or ""),
            *([f"refused again: {again}" if again else "read"] if judged else []),
        )
    return out
