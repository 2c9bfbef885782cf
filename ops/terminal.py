"""What the command writes: data to stdout, messages to stderr, JSON as one line per record."""

import asyncio
import json
import os
import sys
from collections.abc import Coroutine, Iterable
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any, TypeVar

from rich.console import Console
from rich.text import Text

from contracts.catalogue import printable
from ops.errors import WrongUsage

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run one command's coroutine to its end, on uvloop where it imports."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    return uvloop.run(work)


def console() -> Console:
    """The console for data; a pipe gets wide plain text unless COLUMNS says otherwise."""
    wide = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 160
    return Console(width=wide, highlight=False, soft_wrap=False)


def say(sentence: str) -> None:
    """A message for the person at the terminal, on stderr."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(safe(sentence))


def confirmed(question: str, *, default: bool = False) -> bool:
    """Ask at the terminal. Raises WrongUsage where nobody can answer."""
    if not sys.stdin.isatty():
        raise WrongUsage("Nobody is there to confirm: add --yes.")
    sys.stderr.write(f"{question} [{'Y/n' if default else 'y/N'}] ")
    sys.stderr.flush()
    answer = sys.stdin.readline()
    if default and answer.strip() == "" and answer:
        return True
    return answer.strip().lower() in ("y", "yes")


def emit(record: object) -> None:
    """One record as one line of JSON on stdout."""
    sys.stdout.write(json.dumps(record, default=_plain, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def safe(text: str) -> Text:
    """Text that came from elsewhere, without control characters and never read as markup."""
    return Text("\n".join(printable(line) for line in text.split("\n")))


def escaped(raw: bytes) -> str:
    """Bytes as text that a terminal cannot misread: what is not printable becomes an escape."""
    text = raw.decode(errors="backslashreplace")
    return "".join(
        char if char.isprintable() or char == "\n" else char.encode("unicode_escape").decode()
        for char in text
    )


def moment(instant: datetime | None, *, seconds: bool = False) -> str:
    """An instant in UTC for people: `2025-01-31 10:00`, empty for none."""
    if instant is None:
        return ""
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")


def suggestion(given: str, known: Iterable[str]) -> str:
    """` Did you mean ...?` with the names nearest to what was given, or nothing."""
    close = get_close_matches(given, sorted(set(known)), n=3, cutoff=0.6)
    return f" Did you mean {' or '.join(close)}?" if close else ""
