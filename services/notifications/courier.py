"""One SMTP connection that is kept open, and the verdict on each mail that it carries."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, Self
from urllib.parse import unquote, urlsplit

from aiosmtplib import SMTP, SMTPException, SMTPHeloError

from services.notifications.dialogue import BrokenOff, Dialogue, Reply
from services.notifications.verdicts import BROKEN, NO_REPLY, UNKNOWN, Verdict, of_reply

_START_INPUT = 354
#: What MAIL, RCPT and DATA are answered with when all is well.
_EXPECTED: Sequence[Sequence[int]] = ((250,), (250, 251), (_START_INPUT,))
_SCHEMES: dict[str, tuple[Literal["none", "starttls", "tls"], int]] = {
    "smtp": ("none", 25),
    "submission": ("starttls", 587),
    "smtps": ("tls", 465),
}


class MailServerAway(Exception):
    """The mail server cannot be reached, or takes no mail from us at all."""


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed in, from an URL such as `submission://user:password@host`."""

    host: str
    port: int
    security: Literal["none", "starttls", "tls"]
    username: str | None = None
    password: str | None = None

    @classmethod
    def at(cls, url: str) -> Self:
        """Read `smtp:`, `submission:` (STARTTLS) or `smtps:`. Raises ValueError."""
        parts = urlsplit(url)
        try:
            given = parts.port
        except ValueError:
            given = 0
        if parts.scheme not in _SCHEMES or not parts.hostname or given == 0:
            raise ValueError("It must be smtp://, submission:// or smtps:// and name a host")
        security, port = _SCHEMES[parts.scheme]
        return cls(
            parts.hostname,
            given or port,
            security,
            unquote(parts.username) if parts.username else None,
            unquote(parts.password) if parts.password else None,
        )


class Courier:
    """Carries mails over one connection. Timeouts are real seconds."""

    def __init__(
        self, server: MailServer, sender: str, command_timeout_s: float, reply_timeout_s: float
    ) -> None:
        """Nothing is connected yet; `reply_timeout_s` is for the reply to a whole mail."""
        self._server = server
        self._mail_from = f"MAIL FROM:<{sender}>\r\n".encode("ascii")
        self._command_timeout_s = command_timeout_s
        self._reply_timeout_s = reply_timeout_s
        self._dialogue: Dialogue | None = None

    @property
    def connected(self) -> bool:
        """Whether the connection stands, as far as we know."""
        return self._dialogue is not None and self._dialogue.open

    async def connect(self) -> None:
        """Open the connection. Raises MailServerAway."""
        self.drop()
        smtp = SMTP(
            hostname=self._server.host,
            port=self._server.port,
            username=self._server.username,
            password=self._server.password,
            use_tls=self._server.security == "tls",
            start_tls=self._server.security == "starttls",
            timeout=self._command_timeout_s,
        )
        try:
            await smtp.connect()
            if smtp.is_ehlo_or_helo_needed:
                await self._greet(smtp)
        except (SMTPException, OSError) as error:
            smtp.close()
            raise MailServerAway(str(error)) from error
        self._dialogue = Dialogue(smtp)

    async def _greet(self, smtp: SMTP) -> None:
        try:
            await smtp.ehlo()
        except SMTPHeloError:
            if not smtp.is_connected:
                raise
            await smtp.helo()

    async def deliver(self, to_address: str, payload: bytes) -> Verdict:
        """Hand in one mail for one recipient; afterwards `connected` tells whether to go on.

        The address is one that `safe_address` lets pass: it goes into a command as it is. Raises
        MailServerAway when the server takes no mail from our address at all.
        """
        dialogue = self._dialogue
        if dialogue is None:
            return BROKEN
        verdict = await self._announce(dialogue, to_address)
        if verdict is not None:
            return verdict
        stuffed = payload.replace(b"\r\n.", b"\r\n..") + b".\r\n"
        try:
            dialogue.say(stuffed)
            reply = await dialogue.reply(self._reply_timeout_s)
        except BrokenOff:
            self.drop()
            return UNKNOWN
        if reply.code == NO_REPLY:
            self.drop()
        return of_reply(reply.code) or UNKNOWN

    async def _announce(self, dialogue: Dialogue, to_address: str) -> Verdict | None:
        """MAIL, RCPT and DATA; None when the server now waits for the payload."""
        rcpt_to = f"RCPT TO:<{to_address}>\r\n".encode("ascii")
        replies = await self._ask(dialogue, self._mail_from, rcpt_to, b"DATA\r\n")
        for place, reply in enumerate(replies):
            if reply.code in _EXPECTED[place]:
                continue
            if place == 0 and reply.code >= 500:
                self.drop()
                raise MailServerAway(f"our sender is refused: {reply.code} {reply.text}")
            if reply.code < 400 or replies[-1].code in (NO_REPLY, _START_INPUT):
                # It makes no sense, takes its leave, or waits for a mail to nobody.
                self.drop()
            else:
                await self._reset(dialogue)
            return BROKEN if reply.code < 400 else of_reply(reply.code) or BROKEN
        return None if len(replies) == len(_EXPECTED) else BROKEN

    async def _ask(self, dialogue: Dialogue, *commands: bytes) -> list[Reply]:
        """The replies up to a break; one by one, also only up to the first refusal."""
        replies: list[Reply] = []
        groups = [b"".join(commands)] if dialogue.takes_groups else commands
        expected = len(commands) // len(groups)
        try:
            for group in groups:
                dialogue.say(group)
                for _ in range(expected):
                    replies.append(await dialogue.reply(self._command_timeout_s))
                    if replies[-1].code == NO_REPLY:
                        return replies
                if replies[-1].code >= 400:
                    break
        except BrokenOff:
            self.drop()
        return replies

    async def _reset(self, dialogue: Dialogue) -> None:
        """Make the connection ready for the next mail, or drop it."""
        if [reply.code for reply in await self._ask(dialogue, b"RSET\r\n")] != [250]:
            self.drop()

    async def close(self) -> None:
        """Say goodbye and close; an answer is not awaited for long."""
        if self._dialogue is not None:
            with suppress(BrokenOff):
                self._dialogue.say(b"QUIT\r\n")
                await self._dialogue.reply(1)
        self.drop()

    def drop(self) -> None:
        """Close without a word."""
        if self._dialogue is not None:
            self._dialogue.close()
        self._dialogue = None
