"""The full screen: drawn again and again until q or Ctrl-C; the terminal is given back as it was."""

import asyncio
import os
import signal
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from rich.console import Console
from rich.live import Live

from ops.errors import WrongUsage
from ops.top.stack_sight import StackSight
from ops.top.view import render

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: Where in the list of tcgetattr the special characters are.
_CHARACTERS = 6


class _Keys:
    """What was typed or happened to the terminal since the screen was drawn."""

    def __init__(self) -> None:
        self.ended = False
        self.interrupted = False
        self._stirred = asyncio.Event()

    def typed(self) -> None:
        """Take what was typed; a terminal that went away ends it as well."""
        try:
            keys = os.read(sys.stdin.fileno(), 1024)
        except OSError:
            keys = b""
        if not keys or b"q" in keys.lower():
            self.ended = True
            self._stirred.set()

    def interrupt(self) -> None:
        """Somebody wants an end."""
        self.interrupted = self.ended = True
        self._stirred.set()

    def resized(self) -> None:
        """Draw at once."""
        self._stirred.set()

    async def wait(self, timeout_s: float) -> None:
        """Wait until something happens, at most so long."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stirred.wait(), timeout_s)
        self._stirred.clear()


def check_terminal(console: Console) -> None:
    """Raises WrongUsage where there is no terminal to draw on or to type at."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()) or console.is_dumb_terminal:
        raise WrongUsage(
            "This is no terminal that can be drawn on: `tenure top --once` prints one frame."
        )


async def show(seeing: StackSight, console: Console, every_s: float) -> None:
    """Draw until q. Raises KeyboardInterrupt after Ctrl-C or a signal that ends us."""
    with _keys() as keys, Live(console=console, screen=True, auto_refresh=False) as live:
        seeing.follow(every_s)
        while not keys.ended:
            seeing.check()
            words = f"every {every_s:g} s, q ends"
            live.update(render(seeing.now(), console.size.height, words), refresh=True)
            await keys.wait(every_s)
    if keys.interrupted:
        raise KeyboardInterrupt


@contextmanager
def _keys() -> Iterator[_Keys]:
    """Single keys without echo; Ctrl-Z is off, because a stopped process would keep the screen."""
    keys, loop, stdin = _Keys(), asyncio.get_running_loop(), sys.stdin.fileno()
    before = termios.tcgetattr(stdin)
    handled = {**dict.fromkeys(_ENDING, keys.interrupt), signal.SIGWINCH: keys.resized}
    try:
        tty.setcbreak(stdin)
        changed = termios.tcgetattr(stdin)
        changed[_CHARACTERS][termios.VSUSP] = b"\0"
        termios.tcsetattr(stdin, termios.TCSANOW, changed)
        loop.add_reader(stdin, keys.typed)
        for number, act in handled.items():
            loop.add_signal_handler(number, act)
        yield keys
    finally:
        for number in handled:
            loop.remove_signal_handler(number)
        loop.remove_reader(stdin)
        with suppress(termios.error):  # the terminal may be gone
            termios.tcsetattr(stdin, termios.TCSADRAIN, before)
