"""One SMTP connection that is kept open, and the verdict on each mail that it carries."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, Self
from urllib.parse import unquote, urlsplit

from aiosmtplib import SMTP, SMTPException, SMTPHeloError

from services.notifications.verdicts import BROKEN, NO_REPLY, UNKNOWN, Verdict, of_reply

_MAIL_OK, _RCPT_OK, _DATA_OK = (250,), (250, 251), (354,)
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
        if parts.scheme not in _SCHEMES or not parts.hostname:
            raise ValueError("SMTP_URL must be smtp://, submission:// or smtps:// and name a host")
        security, port = _SCHEMES[parts.scheme]
        return cls(
            parts.hostname,
            parts.port or port,
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
        self._mail_from = f"MAIL FROM:<{sender}>".encode("ascii")
        self._command_timeout_s = command_timeout_s
        self._reply_timeout_s = reply_timeout_s
        self._smtp: SMTP | None = None

    @property
    def connected(self) -> bool:
        """Whether the connection stands, as far as we know."""
        return self._smtp is not None and self._smtp.is_connected

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
        self._smtp = smtp

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
        smtp = self._smtp
        if smtp is None or smtp.protocol is None:
            return BROKEN
        verdict = await self._announce(smtp, to_address)
        if verdict is not None:
            return verdict
        # By hand, because `SMTP.data` does not tell a break before the payload from one after it.
        stuffed = payload.replace(b"\r\n.", b"\r\n..") + b".\r\n"
        try:
            smtp.protocol.write(stuffed)
            reply = await smtp.protocol.read_response(timeout=self._reply_timeout_s)
        except (SMTPException, OSError):
            self.drop()
            return UNKNOWN
        if reply.code == NO_REPLY:
            self.drop()
        return of_reply(reply.code) or UNKNOWN

    async def _announce(self, smtp: SMTP, to_address: str) -> Verdict | None:
        """MAIL, RCPT and DATA; None when the server now waits for the payload."""
        # By hand, because `SMTP.mail` and `SMTP.rcpt` parse plain addresses at a great length.
        rcpt_to = f"RCPT TO:<{to_address}>".encode("ascii")
        steps = ((self._mail_from, _MAIL_OK), (rcpt_to, _RCPT_OK), (b"DATA", _DATA_OK))
        try:
            for command, expected in steps:
                reply = await smtp.execute_command(command)
                if reply.code not in expected:
                    break
            else:
                return None
        except (SMTPException, OSError):
            self.drop()
            return BROKEN
        if command is self._mail_from and reply.code >= 500:
            self.drop()
            raise MailServerAway(f"our sender is refused: {reply.code} {reply.message}")
        await self._forget(smtp, reply.code)
        return of_reply(reply.code) or BROKEN

    async def _forget(self, smtp: SMTP, code: int) -> None:
        """Make the connection ready for the next mail, or drop it."""
        if code == NO_REPLY or of_reply(code) is None:
            self.drop()
            return
        try:
            await smtp.rset()
        except (SMTPException, OSError):
            self.drop()

    async def close(self) -> None:
        """Say goodbye and close; an answer is not awaited for long."""
        if self._smtp is not None and self._smtp.is_connected:
            with suppress(SMTPException, OSError):
                await self._smtp.quit(timeout=1)
        self.drop()

    def drop(self) -> None:
        """Close without a word."""
        if self._smtp is not None:
            self._smtp.close()
        self._smtp = None
