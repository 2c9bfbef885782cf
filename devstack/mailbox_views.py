"""Mails as people and tests want them: the field names of Mailpit, and plain pages."""

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from email.utils import getaddresses, parsedate_to_datetime
from html import escape
from typing import Any

from devstack.mailbox_store import Entry

_SNIPPET_CHARACTERS = 250


def parse(raw: bytes) -> EmailMessage:
    """The parsed mail; the parser takes any bytes."""
    return message_from_bytes(raw, policy=default)


def header(mail: EmailMessage, name: str) -> str:
    """The decoded value of one header; "" when it is absent or beyond repair."""
    try:
        return str(mail.get(name, ""))
    except Exception:  # the library fails on some malformed values
        return ""


def _people(mail: EmailMessage, name: str) -> list[dict[str, str]]:
    values = [header(mail, name)]
    return [
        {"Name": shown, "Address": address} for shown, address in getaddresses(values) if address
    ]


def part_text(mail: EmailMessage, kind: str) -> str:
    """The decoded text of the first `text/<kind>` part that is no attachment, or ""."""
    for part in mail.walk():
        if part.get_content_type() == f"text/{kind}" and not part.is_attachment():
            try:
                return str(part.get_content())
            except (LookupError, ValueError):  # an unknown charset
                return (part.get_payload(decode=True) or b"").decode(errors="replace")  # type: ignore[union-attr]
    return ""


def _common(entry: Entry, mail: EmailMessage) -> dict[str, Any]:
    senders = _people(mail, "From") or [{"Name": "", "Address": entry.sender}]
    to, copied = _people(mail, "To"), _people(mail, "Cc")
    visible = {person["Address"] for person in (*to, *copied)}
    return {
        "ID": entry.mail_id,
        "MessageID": header(mail, "Message-ID").strip().strip("<>"),
        "From": senders[0],
        "To": to,
        "Cc": copied,
        # as in Mailpit: envelope recipients that no header names
        "Bcc": [
            {"Name": "", "Address": address}
            for address in entry.recipients
            if address not in visible
        ],
        "ReplyTo": _people(mail, "Reply-To"),
        "Subject": header(mail, "Subject"),
        "Tags": [],
        "Username": "",
        "Size": entry.size_bytes,
    }


def summary(entry: Entry, raw: bytes) -> dict[str, Any]:
    """One line of a list of mails."""
    mail = parse(raw)
    text = " ".join(part_text(mail, "plain").split())
    return {
        **_common(entry, mail),
        "Created": entry.created,
        "Read": False,
        "Attachments": sum(1 for _ in mail.iter_attachments()) if mail.is_multipart() else 0,
        "Snippet": text[:_SNIPPET_CHARACTERS],
    }


def full(entry: Entry, raw: bytes) -> dict[str, Any]:
    """One mail with its texts."""
    mail = parse(raw)
    try:
        date = parsedate_to_datetime(header(mail, "Date")).isoformat()
    except ValueError:
        date = entry.created
    return {
        **_common(entry, mail),
        "ReturnPath": entry.sender,
        "Date": date,
        "Text": part_text(mail, "plain"),
        "HTML": part_text(mail, "html"),
        "Inline": [],
        "Attachments": [],
    }


def headers(raw: bytes) -> dict[str, list[str]]:
    """Every header with all its values."""
    mail = parse(raw)
    return {name: [str(value) for value in mail.get_all(name, [])] for name in mail}


def page(title: str, body: str) -> str:
    """A complete HTML page; `title` and everything in `body` must already be escaped."""
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>'
        "body{font:15px system-ui;margin:2em;max-width:70em}td,th{padding:.3em 1em .3em 0;"
        "text-align:left}pre{white-space:pre-wrap}iframe{width:100%;height:40em;border:1px "
        f"solid #ccc}}</style><h1>{title}</h1>{body}</html>"
    )


def list_page(mails: list[dict[str, Any]], total: int) -> str:
    """The newest mails as a table."""
    rows = "".join(
        f"<tr><td>{escape(mail['Created'][:19])}<td>{escape(_addresses(mail))}"
        f'<td><a href="/view/{escape(mail["ID"])}">{escape(mail["Subject"] or "(no subject)")}</a>'
        for mail in mails
    )
    return page(
        "Mailbox",
        f"<p>{len(mails)} of {total} mails, newest first</p>"
        f"<table><tr><th>received (UTC)<th>to<th>subject{rows}</table>",
    )


def mail_page(mail: dict[str, Any]) -> str:
    """One mail; its HTML stands in a sandbox that runs nothing."""
    html = f'<iframe sandbox srcdoc="{escape(mail["HTML"])}"></iframe>' if mail["HTML"] else ""
    sender, receivers = escape(mail["From"]["Address"]), escape(_addresses(mail))
    return page(
        escape(mail["Subject"] or "(no subject)"),
        '<p><a href="/">all mails</a> · '
        f'<a href="/api/v1/message/{escape(mail["ID"])}/raw">source</a>'
        f"<p>From {sender} to {receivers}, {escape(mail['Date'])}"
        f"<pre>{escape(mail['Text'])}</pre>{html}",
    )


def _addresses(mail: dict[str, Any]) -> str:
    return ", ".join(person["Address"] for person in (*mail["To"], *mail["Cc"], *mail["Bcc"]))
