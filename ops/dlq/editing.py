"""Mending a message in the operator's editor, in a file that nobody else can read."""

import difflib
import os
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

from rich.text import Text

from ops.dlq.content import compact, indented, pretty
from ops.errors import OpsError, WrongUsage
from ops.terminal import safe

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


def edited(raw: bytes) -> bytes:
    """What the operator made of a message; the file has mode 0600 and is removed with its folder.

    Raises WrongUsage when there is no editor, OpsError when it fails.
    """
    editor = _editor()
    with tempfile.TemporaryDirectory(prefix="tenure-") as folder:
        file = Path(folder) / "message.json"
        file.touch(mode=0o600)
        file.write_text(indented(raw) + "\n", encoding="utf-8")
        try:
            done = subprocess.run([*editor, str(file)], check=False)
        except OSError as error:
            raise OpsError(f"{editor[0]} cannot be started: {error.strerror}.") from None
        if done.returncode:
            raise OpsError(f"{editor[0]} ended with status {done.returncode}; nothing was sent.")
        return compact(file.read_bytes())


def _editor() -> list[str]:
    named = os.environ.get("VISUAL") or os.environ.get("EDITOR") or shutil.which("vi")
    if not named:
        raise WrongUsage("No editor is known: set EDITOR, or give the corrected message by --file.")
    return shlex.split(named)


def difference(before: bytes, after: bytes) -> Text:
    """What was changed, line by line; empty when nothing was."""
    lines = difflib.unified_diff(
        pretty(before).splitlines(),
        pretty(after).splitlines(),
        "dead letter",
        "corrected",
        "",
        "",
        2,
        "",
    )
    out = Text()
    for line in lines:
        out.append_text(Text(safe(line).plain + "\n", style=_COLOURS.get(line[:1], "")))
    return out
