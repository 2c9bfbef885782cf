"""The mailbox: it keeps what it accepted, speaks Mailpit's API, and fails on request."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from pathlib import Path
from urllib.request import urlopen

import aiosmtplib
import pytest

from devstack.errors import DevstackError
from devstack.mailbox import Mailbox
from devstack.mailbox_faults import Faults
from devstack.mailbox_smtp import SmtpSession
from devstack.mailbox_store import MailStore
from devstack.ports import Ports


@asynccontextmanager
async def mailbox_at(state_dir: Path) -> AsyncIterator[Mailbox]:
    ports = Ports.free()
    mailbox = Mailbox(state_dir, ports.smtp, ports.mailbox)
    try:
        await mailbox.start()
        yield mailbox
    finally:
        await mailbox.stop()


def mail(number: int = 1, to: str = "Ana <ana@example.org>") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Tenure <billing@example.org>"
    message["To"] = to
    message["Subject"] = f"Zahlung № {number} <bestätigt>"
    message["Message-ID"] = f"<m{number}@example.org>"
    message.set_content(f"Grüße\n.\n..zwei Punkte, Nummer {number}\n")
    message.add_alternative(
        f"<p>Grüße <b>{number}</b></p><script>alert(1)</script>", subtype="html"
    )
    return message


async def send(mailbox: Mailbox, message: EmailMessage, timeout_s: float = 5.0) -> None:
    await aiosmtplib.send(
        message, hostname="127.0.0.1", port=mailbox.smtp_port, timeout=timeout_s, start_tls=False
    )


async def test_mail_is_shown_searched_and_survives_a_kill(tmp_path: Path) -> None:
    async with mailbox_at(tmp_path) as mailbox:
        await send(mailbox, mail(1))
        await send(mailbox, mail(2, to="ben@example.org"))
        await mailbox.stop(9)
        await mailbox.start()
        assert await mailbox.count() == 2
        newest, oldest = await mailbox.messages()
        assert (newest["MessageID"], oldest["MessageID"]) == ("m2@example.org", "m1@example.org")
        assert oldest["To"] == [{"Name": "Ana", "Address": "ana@example.org"}]
        whole = await mailbox.message(oldest["ID"])
        assert whole["Subject"] == "Zahlung № 1 <bestätigt>"
        assert whole["Text"].splitlines() == ["Grüße", ".", "..zwei Punkte, Nummer 1"]
        assert "<b>1</b>" in whole["HTML"]
        for query, found in {
            "to:ben": 1,
            'subject:"№ 1"': 1,
            "message-id:m2@": 1,
            "grüße": 2,
            "grüße -to:ben": 1,
            "nowhere": 0,
        }.items():
            assert len(await mailbox.search(query)) == found, query
        with pytest.raises(DevstackError, match="no mail has the id"):
            await mailbox.message("unknown")
        await mailbox.clear()
        assert await mailbox.count() == 0


async def test_page_escapes_what_mails_contain(tmp_path: Path) -> None:
    async with mailbox_at(tmp_path) as mailbox:
        await send(mailbox, mail())
        (only,) = await mailbox.messages()
        for path in ("/", f"/view/{only['ID']}"):
            html, policy = await asyncio.to_thread(fetch, mailbox.url + path)
            assert "default-src 'none'" in policy
            assert "&lt;bestätigt&gt;" in html
            assert "<script>" not in html


def fetch(url: str) -> tuple[str, str]:
    with urlopen(url) as answer:
        return answer.read().decode(), answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("stage", "code", "error"),
    [
        ("connect", 421, aiosmtplib.SMTPConnectError),
        ("rcpt", 451, aiosmtplib.SMTPRecipientsRefused),
        ("rcpt", 550, aiosmtplib.SMTPRecipientsRefused),
        ("data", 554, aiosmtplib.SMTPDataError),
    ],
)
async def test_replies_are_injected_as_often_as_asked(
    shared: Mailbox, stage: str, code: int, error: type[Exception]
) -> None:
    await shared.set_faults([{"stage": stage, "code": code, "times": 1}])
    with pytest.raises(error) as refused:
        await send(shared, mail())
    assert str(code) in str(refused.value)
    await send(shared, mail())
    assert await shared.count() == 1
    assert (await shared.faults())[0]["times"] == 0


async def test_drop_after_accept_keeps_the_mail(shared: Mailbox) -> None:
    await shared.set_faults([{"stage": "after_accept", "action": "drop", "match": "ana@"}])
    with pytest.raises(aiosmtplib.SMTPServerDisconnected):
        await send(shared, mail())
    assert await shared.count() == 1
    await send(shared, mail(2, to="ben@example.org"))
    assert await shared.count() == 2


async def test_hang_leaves_the_sender_waiting(shared: Mailbox) -> None:
    await shared.set_faults([{"stage": "data", "action": "hang"}])
    with pytest.raises(aiosmtplib.SMTPTimeoutError):
        await send(shared, mail(), timeout_s=0.3)
    assert await shared.count() == 0


async def test_incomplete_rules_are_refused(shared: Mailbox) -> None:
    with pytest.raises(DevstackError, match="needs a code"):
        await shared.set_faults([{"stage": "rcpt", "action": "reply"}])


def test_half_written_record_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "mails.log"
    store = MailStore(path)
    kept = store.add("a@example.org", ["b@example.org"], b"Subject: one\r\n\r\nbody\r\n")
    store.add("a@example.org", ["b@example.org"], b"Subject: two\r\n\r\nbody\r\n")
    store.close()
    path.write_bytes(path.read_bytes()[:-3])
    store = MailStore(path)
    assert [entry.mail_id for entry in store.newest_first()] == [kept]
    later = store.add("a@example.org", ["b@example.org"], b"three")
    entry = store.get(later)
    assert entry is not None
    assert store.raw(entry) == b"three"
    store.delete([kept])
    store.close()
    assert len(MailStore(path)) == 1


def test_pipelined_bytes_in_any_slices_make_the_same_mails(tmp_path: Path) -> None:
    talk = (
        b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@x.org>\r\nRCPT TO:<b@x.org>\r\nDATA\r\n"
        b"..dot\r\n.more\r\n\r\n.\r\nMAIL FROM:<c@x.org> SIZE=3\r\nRCPT TO:<d@x.org>\r\n"
        b"DATA\r\n.\r\nBOGUS\r\nQUIT\r\n"
    )
    outcomes = set()
    for size in (1, 2, 3, 7, 50, len(talk)):
        store, wire = MailStore(tmp_path / f"{size}.log"), Wire()
        session = SmtpSession(store, Faults())
        session.connection_made(wire)  # type: ignore[arg-type]
        for start in range(0, len(talk), size):
            session.data_received(talk[start : start + size])
        codes = tuple(line[:3] for line in wire.written.split(b"\r\n") if line[3:4] == b" ")
        mails = tuple(
            (entry.sender, entry.recipients, store.raw(entry)) for entry in store.newest_first()
        )
        outcomes.add((codes, mails, wire.closed))
    ((codes, mails, closed),) = outcomes
    assert b" ".join(codes) == b"220 250 250 250 250 354 250 250 250 354 250 502 221"
    assert mails == (
        ("c@x.org", ("d@x.org",), b""),
        ("", ("a@x.org", "b@x.org"), b".dot\r\n.more\r\n\r\n"),
    )
    assert closed


class Wire:
    """A transport that remembers."""

    def __init__(self) -> None:
        self.written, self.closed = b"", False

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed
