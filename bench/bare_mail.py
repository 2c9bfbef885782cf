"""The floor of sending mail: as many connections and bytes as the mailer's, nothing else."""

import asyncio
import time

from aiosmtplib import SMTP

from devstack.mailbox import Mailbox
from devstack.ports import HOST
from services.notifications.settings import NotificationsSettings

_FROM = "no-reply@tenure.example"


def connections() -> int:
    """How many connections the mailer has without a setting of its own."""
    return int(NotificationsSettings.model_fields["smtp_connections"].default)


async def bare_mails_per_s(mailbox: Mailbox, count: int, size_bytes: int) -> float:
    """Send `count` mails of this size in a plain loop per connection; mails per second."""
    line = b"x" * 76 + b"\r\n"
    head = f"From: {_FROM}\r\nTo: ann.lee@example.com\r\nSubject: bare\r\n\r\n".encode()
    payload = head + line * max(1, (size_bytes - len(head)) // len(line))
    workers = connections()
    began = time.monotonic()
    shares = [count // workers + (n < count % workers) for n in range(workers)]
    await asyncio.gather(*(_carry(mailbox.smtp_port, share, payload) for share in shares))
    return round(count / (time.monotonic() - began), 1)


async def _carry(port: int, count: int, payload: bytes) -> None:
    async with SMTP(hostname=HOST, port=port, start_tls=False, timeout=60) as smtp:
        for _ in range(count):
            await smtp.sendmail(_FROM, ["ann.lee@example.com"], payload)
