"""Mails in one append-only file, found through an index in memory that is rebuilt at start.

A record is two lengths, a small JSON head (id, time, envelope) and the mail as it came. It is
written with one system call before the sender is told 250, so a killed process loses nothing.
"""

import fcntl
import json
import os
import struct
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from devstack.errors import DevstackError

_LENGTHS = struct.Struct(">II")


def mails_file(state_dir: Path) -> Path:
    """Where a stack's mails are."""
    return state_dir / "mailbox" / "mails.log"


def try_lock(fd: int) -> bool:
    """Lock the open file for as long as it stays open; False when somebody else has it."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a mail stands in the file, and its envelope."""

    mail_id: str
    created: str
    sender: str
    recipients: tuple[str, ...]
    offset: int
    size_bytes: int


class MailStore:
    """All mails of one mailbox, oldest first inside."""

    def __init__(self, path: Path) -> None:
        """Open or create the file `path`; a half-written last record is cut off.

        Raises DevstackError when another mailbox works on it.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        if not try_lock(self._fd):
            os.close(self._fd)
            raise DevstackError(
                f"Another mailbox works on {path}: stop it, or set "
                "TENURE_STATE_DIR to another folder."
            )
        self._entries: dict[str, Entry] = {}
        self._end = 0
        self._rebuild()

    def __len__(self) -> int:
        """How many mails there are."""
        return len(self._entries)

    def _rebuild(self) -> None:
        size = os.fstat(self._fd).st_size
        while len(lengths := os.pread(self._fd, _LENGTHS.size, self._end)) == _LENGTHS.size:
            head_bytes, raw_bytes = _LENGTHS.unpack(lengths)
            start = self._end + _LENGTHS.size
            if start + head_bytes + raw_bytes > size:
                break
            self._index(
                json.loads(os.pread(self._fd, head_bytes, start)), start + head_bytes, raw_bytes
            )
            self._end = start + head_bytes + raw_bytes
        os.ftruncate(self._fd, self._end)

    def _index(self, head: dict[str, object], offset: int, size_bytes: int) -> None:
        match head:
            case {"deleted": list(ids)}:
                for mail_id in ids:
                    self._entries.pop(mail_id, None)
            case {"id": str(mail_id), "at": str(at), "from": str(sender), "to": list(to)}:
                self._entries[mail_id] = Entry(mail_id, at, sender, tuple(to), offset, size_bytes)

    def _append(self, head: dict[str, object], raw: bytes) -> None:
        text = json.dumps(head).encode()
        record = _LENGTHS.pack(len(text), len(raw)) + text + raw
        written = os.pwrite(self._fd, record, self._end)
        if written != len(record):
            os.ftruncate(self._fd, self._end)
            raise OSError("the mailbox's disk is full")
        self._index(head, self._end + _LENGTHS.size + len(text), len(raw))
        self._end += len(record)

    def add(self, sender: str, recipients: list[str], raw: bytes) -> str:
        """Keep one mail; its new id. Raises OSError when it cannot be written."""
        mail_id = uuid.uuid4().hex[:22]
        self._append(
            {"id": mail_id, "at": datetime.now(UTC).isoformat(), "from": sender, "to": recipients},
            raw,
        )
        return mail_id

    def get(self, mail_id: str) -> Entry | None:
        """The mail with this id ("latest": the newest one), or None."""
        if mail_id == "latest":
            return next(self.newest_first(), None)
        return self._entries.get(mail_id)

    def newest_first(self) -> Iterator[Entry]:
        """Every mail, newest first, as they are now."""
        return iter([*reversed(self._entries.values())])

    def raw(self, entry: Entry) -> bytes:
        """The mail as it came over the wire."""
        return os.pread(self._fd, entry.size_bytes, entry.offset)

    def delete(self, mail_ids: list[str]) -> None:
        """Forget these mails; unknown ids are fine."""
        self._append({"deleted": mail_ids}, b"")

    def clear(self) -> None:
        """Forget every mail and give the disk space back."""
        self._entries.clear()
        self._end = 0
        os.ftruncate(self._fd, 0)

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)
