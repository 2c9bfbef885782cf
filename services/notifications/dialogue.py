"""What is said over an open SMTP connection: commands one way, replies in order the other way.

A reply is kept until it is asked for, so that commands can be sent in one group (RFC 2920), which
aiosmtplib does not do; it does open the connection, with all that TLS and logging in ask for.
"""

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import cast

from aiosmtplib import SMTP

_UNREAD_MAX_BYTES = 64 * 1024


class BrokenOff(Exception):
    """The connection ended, fell silent or makes no sense, before the reply."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply; of several lines, the text of the last one."""

    code: int
    text: str


class Dialogue(asyncio.Protocol):
    """Takes a connection over that aiosmtplib opened and greeted."""

    def __init__(self, smtp: SMTP) -> None:
        """From now on `smtp` hears nothing any more."""
        self._transport = cast(asyncio.Transport, smtp.transport)
        #: Whether the server takes several commands before it replies.
        self.takes_groups = smtp.supports_extension("pipelining")
        self._buffer = bytearray()
        self._replies: deque[Reply] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._lost = False
        self._transport.set_protocol(self)

    @property
    def open(self) -> bool:
        """Whether the connection stands, as far as we know."""
        return not self._lost and not self._transport.is_closing()

    def data_received(self, data: bytes) -> None:
        """Part the lines; the last line of a reply has no hyphen after its code."""
        self._buffer += data
        *lines, rest = self._buffer.split(b"\n")
        self._buffer = rest
        for line in lines:
            if line[3:4] == b"-":
                continue
            if not line[:3].isdigit():
                return self.close()
            text = line[4:].strip().decode("utf-8", "replace")
            self._replies.append(Reply(int(line[:3]), text))
        if len(self._buffer) > _UNREAD_MAX_BYTES or len(self._replies) > _UNREAD_MAX_BYTES:
            return self.close()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody waits for a reply any more."""
        self._lost = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def say(self, data: bytes) -> None:
        """Send commands or a payload. Raises BrokenOff, also when the server spoke unasked."""
        if not self.open or self._replies or self._buffer:
            raise BrokenOff
        self._transport.write(data)

    async def reply(self, timeout_s: float) -> Reply:
        """The next reply. Raises BrokenOff."""
        try:
            async with asyncio.timeout(timeout_s):
                while not self._replies:
                    if not self.open:
                        raise BrokenOff
                    self._waiter = asyncio.get_running_loop().create_future()
                    await self._waiter
        except TimeoutError:
            raise BrokenOff from None
        return self._replies.popleft()

    def close(self) -> None:
        """Close without a word."""
        self._transport.close()
        self._wake()
