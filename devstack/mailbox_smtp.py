"""The receiving end of SMTP: a sink that accepts everything, except where a fault rule strikes.

Written on asyncio's protocol interface because the stack's own load tests need several thousand
mails a second, three times what a stream-based server gives here.
"""

import asyncio
import re
from typing import Protocol, cast

from devstack.mailbox_faults import Faults, Stage

_LIMIT_BYTES = 10 * 1024 * 1024
_LONGEST_LINE_BYTES = 8 * 1024
_PATH = re.compile(rb"^(FROM|TO):\s*<([^>]*)>", re.IGNORECASE)
_TEXTS = {
    421: "4.3.2 service not available",
    450: "4.2.0 mailbox busy",
    451: "4.7.1 greylisted, try later",
    452: "4.2.2 mailbox full",
    550: "5.1.1 no such user",
    552: "5.2.2 over quota",
    554: "5.7.1 refused",
}


class Inbox(Protocol):
    """Where accepted mail goes."""

    def add(self, sender: str, recipients: list[str], raw: bytes) -> str:
        """Keep one mail; its id."""
        ...


class SmtpSession(asyncio.Protocol):
    """One connection of a sender."""

    def __init__(self, inbox: Inbox, faults: Faults) -> None:
        """Mail goes to `inbox`; `faults` is asked at every stage."""
        self._inbox = inbox
        self._faults = faults
        self._buffer = bytearray()
        self._replies: list[bytes] = []
        self._in_data = False
        self._searched = 0
        self._over = False
        self._sender: str | None = None
        self._recipients: list[str] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet, unless a rule for `connect` strikes."""
        self._transport = cast(asyncio.Transport, transport)
        if not self._fault("connect"):
            self._reply(b"220 mailbox.localhost ESMTP")
        elif self._replies:  # a refusal instead of the greeting ends the connection
            self._over = True
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Work through every complete line or message, then answer all of them at once."""
        if self._over:
            return
        self._buffer += data
        while not self._over and (self._message() if self._in_data else self._line()):
            pass
        if len(self._buffer) > (_LIMIT_BYTES if self._in_data else _LONGEST_LINE_BYTES):
            self._reply(b"552 5.3.4 message too big" if self._in_data else b"500 line too long")
            self._over = True
        self._flush()

    def _reply(self, line: bytes) -> None:
        self._replies.append(line + b"\r\n")

    def _flush(self) -> None:
        if self._replies and not self._transport.is_closing():
            self._transport.write(b"".join(self._replies))
            self._replies.clear()
            if self._over:
                self._transport.close()

    def _fault(self, stage: Stage) -> bool:
        rule = self._faults.strike(stage, self._recipients)
        if rule is None:
            return False
        if rule.action == "reply" and rule.code is not None:
            text = _TEXTS.get(rule.code, "fault injected by a rule")
            self._reply(f"{rule.code} {text}".encode())
            return True
        self._over = True  # hang: whatever comes is never answered, the connection stays open
        self._replies.clear()
        if rule.action == "drop":
            self._transport.abort()
        return True

    def _line(self) -> bool:
        end = self._buffer.find(b"\n")
        if end < 0:
            return False
        line = bytes(self._buffer[:end]).rstrip(b"\r")
        del self._buffer[: end + 1]
        verb, _, argument = line.partition(b" ")
        match verb.upper():
            case b"EHLO":
                self._replies.append(
                    b"250-mailbox.localhost\r\n250-PIPELINING\r\n250-8BITMIME\r\n"
                    b"250-SMTPUTF8\r\n250 SIZE %d\r\n" % _LIMIT_BYTES
                )
            case b"HELO":
                self._reply(b"250 mailbox.localhost")
            case b"MAIL":
                self._mail(_PATH.match(argument))
            case b"RCPT":
                self._rcpt(_PATH.match(argument))
            case b"DATA":
                self._data()
            case b"RSET":
                self._reset()
                self._reply(b"250 2.0.0 ok")
            case b"NOOP":
                self._reply(b"250 2.0.0 ok")
            case b"QUIT":
                self._reply(b"221 2.0.0 bye")
                self._over = True
            case _:
                self._reply(b"502 5.5.1 command not known")
        return True

    def _mail(self, path: re.Match[bytes] | None) -> None:
        if path is None:
            self._reply(b"501 5.5.4 give MAIL FROM:<address>")
        else:
            self._reset()
            self._sender = path[2].decode(errors="replace")
            self._reply(b"250 2.1.0 ok")

    def _rcpt(self, path: re.Match[bytes] | None) -> None:
        if path is None or not path[2]:
            self._reply(b"501 5.5.4 give RCPT TO:<address>")
        elif self._sender is None:
            self._reply(b"503 5.5.1 MAIL first")
        else:
            accepted, asked = self._recipients, path[2].decode(errors="replace")
            self._recipients = [asked]  # a rule for `rcpt` looks at this recipient alone
            refused = self._fault("rcpt")
            self._recipients = accepted if refused else [*accepted, asked]
            if not refused:
                self._reply(b"250 2.1.5 ok")

    def _data(self) -> None:
        if not self._recipients:
            self._reply(b"503 5.5.1 RCPT first")
        else:
            self._in_data, self._searched = True, 0
            self._reply(b"354 end with <CRLF>.<CRLF>")

    def _message(self) -> bool:
        if self._buffer.startswith(b".\r\n"):
            raw, rest = b"", 3
        else:
            end = self._buffer.find(b"\r\n.\r\n", self._searched)
            if end < 0:
                self._searched = max(0, len(self._buffer) - 4)
                return False
            raw, rest = bytes(self._buffer[: end + 2]), end + 5
        del self._buffer[:rest]
        self._in_data = False
        if raw.startswith(b".."):
            raw = raw[1:]
        self._accept(raw.replace(b"\r\n..", b"\r\n."))
        return True

    def _accept(self, raw: bytes) -> None:
        if not self._fault("data"):
            mail_id = self._inbox.add(self._sender or "", self._recipients, raw)
            if not self._fault("after_accept"):
                self._reply(f"250 2.0.0 ok: queued as {mail_id}".encode())
        self._reset()

    def _reset(self) -> None:
        self._sender, self._recipients = None, []
