"""`tenure top` on a terminal: a process behind a pseudo-terminal, where nothing that it looks at answers."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.ops.running import PROJECT, Tenure

pytestmark = pytest.mark.timeout(60)

NOBODY = {
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    **{f"{name}_HTTP_PORT": "1" for name in ("BILLING", "LICENSING", "NOTIFICATIONS", "WATCH")},
}
ALTERNATE, BACK = "\x1b[?1049h", "\x1b[?1049l"
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
_PATIENCE_S = 30.0


class Terminal:
    """A process on a pseudo-terminal of its own."""

    def __init__(self, folder: Path, *arguments: str, **more: str) -> None:
        self._ours, self._its = pty.openpty()
        self.size(24, 80)
        self.before = termios.tcgetattr(self._its)
        kept = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
        given = {**kept, "PYTHONPATH": str(PROJECT), "TERM": "xterm-256color", **NOBODY, **more}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ops", "top", *arguments],
            stdin=self._its,
            stdout=self._its,
            stderr=subprocess.PIPE,
            cwd=folder,
            env={**given, "TENURE_STATE_DIR": str(folder)},
            preexec_fn=_own_terminal,
        )
        self.written = ""
        self._marked = 0

    def size(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self._its, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, rows: int, columns: int) -> None:
        self.mark()
        self.size(rows, columns)
        self.process.send_signal(signal.SIGWINCH)

    def mark(self) -> None:
        """Only what is written from now on is waited for."""
        self._marked = len(self.written)

    def type(self, keys: bytes) -> None:
        os.write(self._ours, keys)

    def wait_for(self, words: str) -> None:
        end = time.monotonic() + _PATIENCE_S
        while words not in self.written[self._marked :]:
            assert time.monotonic() < end, self.written
            assert self.process.poll() is None, self.written
            self.read(0.1)

    def frames(self) -> list[list[str]]:
        """The lines of every whole frame since the last resize."""
        frames = self.written[self._marked :].split("\x1b[H")[1:-1]
        return [[_CONTROL.sub("", line) for line in each.split("\r\n")] for each in frames]

    def ended(self) -> int:
        code = self.process.wait(_PATIENCE_S)
        while self.read(0.1):
            pass
        return code

    def settings(self) -> list[Any]:
        return termios.tcgetattr(self._its)

    def read(self, timeout_s: float) -> bool:
        if not select.select([self._ours], [], [], timeout_s)[0]:
            return False
        self.written += os.read(self._ours, 65536).decode()
        return True

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        assert self.process.stderr
        self.process.stderr.close()
        os.close(self._ours)
        os.close(self._its)


def _own_terminal() -> None:
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    made = Terminal(tmp_path, "--interval", "0.2")
    yield made
    made.close()


def given_back(terminal: Terminal) -> None:
    assert terminal.written.rindex(BACK) > terminal.written.rindex("\x1b[H")
    assert terminal.written.rindex("\x1b[?25h") > terminal.written.rindex("\x1b[?25l")
    assert terminal.settings() == terminal.before
    assert terminal.process.stderr
    assert terminal.process.stderr.read() == b""


def test_q_ends_it_and_gives_the_terminal_back(terminal: Terminal) -> None:
    terminal.wait_for("watch: nobody answers at http://127.0.0.1:1")
    terminal.wait_for("PostgreSQL does not answer")
    assert ALTERNATE in terminal.written
    assert terminal.settings() != terminal.before
    terminal.type(b"x")
    terminal.type(b"q")
    assert terminal.ended() == 0
    given_back(terminal)


def test_ctrl_c_ends_it_as_interrupted_and_ctrl_z_does_not_stop_it(terminal: Terminal) -> None:
    terminal.wait_for("tenure top")
    # Without a shell above it no process is stopped, so the setting is all there is to see.
    assert terminal.settings()[6][termios.VSUSP] == b"\0"
    terminal.type(b"\x03")
    assert terminal.ended() == 130
    given_back(terminal)


def test_a_signal_gives_the_terminal_back_as_well(terminal: Terminal) -> None:
    terminal.wait_for("tenure top")
    terminal.process.send_signal(signal.SIGTERM)
    assert terminal.ended() == 130
    given_back(terminal)


@pytest.mark.parametrize(("rows", "columns"), [(24, 80), (50, 160), (1, 10)])
def test_a_frame_fills_the_terminal_whatever_its_size(
    terminal: Terminal, rows: int, columns: int
) -> None:
    terminal.wait_for("q ends")
    terminal.resize(rows, columns)
    end = time.monotonic() + _PATIENCE_S
    # A frame may be on its way while the size changes.
    while len(terminal.frames()) < 3:
        assert time.monotonic() < end
        terminal.read(0.1)
    last = terminal.frames()[-1]
    assert len(last) == rows
    assert {len(line) for line in last} == {columns}
    terminal.type(b"Q")
    assert terminal.ended() == 0
    given_back(terminal)


def test_without_a_terminal_it_says_what_to_do(no_stack: Tenure) -> None:
    done = no_stack("top", **NOBODY)
    assert (done.returncode, done.stdout) == (2, "")
    assert "`tenure top --once` prints one frame" in done.stderr


def test_one_frame_is_printed_or_painted(no_stack: Tenure, tmp_path: Path) -> None:
    done = no_stack("top", "--once", "--interval", "0.2", **NOBODY)
    assert (done.returncode, done.stderr) == (0, "")
    assert "tenure top" in done.stdout
    assert "billing: nobody answers at http://127.0.0.1:1" in done.stdout
    assert "\x1b" not in done.stdout
    picture = tmp_path / "top.svg"
    done = no_stack("top", "--svg", str(picture), "--interval", "0.2", **NOBODY)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    svg = picture.read_text()
    assert svg.startswith("<svg")
    assert "tenure&#160;top" in svg
    assert "font-face" not in svg
    done = no_stack("top", "--svg", "/nowhere/top.svg", "--interval", "0.2", **NOBODY)
    assert (done.returncode, "cannot be written" in done.stderr) == (1, True)
