"""The bytes of one mail, and the guard that looks at them once more before they may leave."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.header import Header, decode_header, make_header
from email.utils import format_datetime, formataddr, getaddresses
from functools import lru_cache
from quopri import encodestring
from uuid import UUID

from services.notifications.render import Rendered

#: The headers of every mail, in this order and no others.
HEADERS = (
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "Auto-Submitted",
    "Content-Language",
    "X-Tenure-Subscription",
    "X-Tenure-Notice",
    "X-Tenure-Kind",
    "MIME-Version",
    "Content-Type",
)
#: Octets of a line without its CRLF (RFC 5322, 2.1.1).
_LINE_MAX = 998
#: Quoted-printable never writes `=_`, so no content can contain it.
_BOUNDARY = "=_tenure"
_MARK = f"\r\n--{_BOUNDARY}".encode()
_NAME_MAX = 100
_MARKS_MAX = 2
_PUNCTUATION = "'\u2019.-, "
_ADDRESS = re.compile(
    r"(?=.{3,254}\Z)[A-Za-z0-9.!#$%&'*+/^_`{|}~-]{1,64}"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
)
_LOOKS_LIKE_A_HOST = re.compile(r"[^\W_]{2,}\.[^\W_]{2,}")


class UnsafeMail(ValueError):
    """This mail must not leave; `code` is stable, such as UNSAFE_ADDRESS."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(frozen=True, slots=True)
class Labels:
    """What a mail is: its Message-ID, the same for every copy, and its X-Tenure headers."""

    message_id: str
    subscription_id: UUID
    notice_id: UUID
    kind: str


def safe_name(name: str) -> str:
    """The customer's name if it can only be a name, else an empty string.

    Letters, marks and `' . - ,` are allowed; no host names, nothing that a header could misread.
    """
    name = unicodedata.normalize("NFC", name).strip()
    if not 1 <= len(name) <= _NAME_MAX or _LOOKS_LIKE_A_HOST.search(name):
        return ""
    marks = 0
    for char in name:
        is_mark = unicodedata.category(char).startswith("M")
        marks = marks + 1 if is_mark else 0
        allowed = is_mark or char in _PUNCTUATION or unicodedata.category(char).startswith("L")
        if not allowed or marks > _MARKS_MAX:
            return ""
    return name


def safe_address(address: str) -> str:
    """The address unchanged. Raises UnsafeMail when it is not plain `local@domain` in ASCII."""
    if not _ADDRESS.fullmatch(address):
        raise UnsafeMail("UNSAFE_ADDRESS", "The address is not one plain ASCII mail address.")
    return address


def compose(
    content: Rendered,
    labels: Labels,
    *,
    sender_name: str,
    sender_address: str,
    to_name: str,
    to_address: str,
    date: datetime,
) -> bytes:
    """The mail as bytes with CRLF. Raises UnsafeMail when it is not exactly what was meant."""
    values = (
        _from(sender_name, sender_address),
        formataddr((to_name, safe_address(to_address))),
        _encoded(content.subject),
        _date(date),
        labels.message_id,
        "auto-generated",
        content.language,
        str(labels.subscription_id),
        str(labels.notice_id),
        labels.kind,
        "1.0",
        f'multipart/alternative; boundary="{_BOUNDARY}"',
    )
    head = "\r\n".join(f"{name}: {value}" for name, value in zip(HEADERS, values, strict=True))
    payload = b"".join(
        (
            head.encode("ascii"),
            b"\r\n",
            _MARK,
            _part(b"plain", _quoted(content.text)),
            _MARK,
            _part(b"html", _quoted_parts(content.html_parts)),
            _MARK,
            b"--\r\n",
        )
    )
    inspect(payload, to_address, content.subject)
    return payload


def inspect(payload: bytes, to_address: str, subject: str) -> None:
    """Read the final bytes as a mail server would. Raises UnsafeMail at any surprise."""
    # A line that goes on is one that starts with a space (RFC 5322, 2.2.3); we write no tab.
    head = payload[: payload.index(b"\r\n\r\n")].decode("ascii").replace("\r\n ", " ")
    fields = [line.partition(": ") for line in head.split("\r\n")]
    if tuple(name for name, _, _ in fields) != HEADERS or len(head.splitlines()) != len(HEADERS):
        raise UnsafeMail("UNSAFE_HEADERS", "The headers are not the expected ones.")
    seen = {name: value for name, _, value in fields}
    recipients = [address for _, address in getaddresses([seen["To"]])]
    if recipients != [to_address]:
        raise UnsafeMail("UNSAFE_ADDRESS", "The mail is not addressed to exactly one recipient.")
    if _decoded(seen["Subject"]) != subject:
        raise UnsafeMail("UNSAFE_SUBJECT", "The subject does not read as it was written.")
    if max(map(len, payload.split(b"\r\n"))) > _LINE_MAX:
        raise UnsafeMail("UNSAFE_LINES", "A line is longer than mail allows.")


@lru_cache(maxsize=256)
def _from(name: str, address: str) -> str:
    return formataddr((safe_name(name), address))


@lru_cache(maxsize=64)  # a batch has one date
def _date(date: datetime) -> str:
    return format_datetime(date)


@lru_cache(maxsize=4096)
def _decoded(subject: str) -> str:
    return str(make_header(decode_header(subject)))


@lru_cache(maxsize=4096)  # subjects name no customer, so few differ
def _encoded(subject: str) -> str:
    if subject.isascii():
        return subject
    return Header(subject, "utf-8", header_name="Subject").encode(linesep="\r\n")


def _part(subtype: bytes, body: bytes) -> bytes:
    return (
        b"\r\nContent-Type: text/" + subtype + b"; charset=utf-8\r\n"
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + body
    )


def _quoted(text: str) -> bytes:
    # A bare CR would survive the encoder and could end a line where no line ends.
    return encodestring(text.replace("\r", "").encode()).replace(b"\n", b"\r\n")


#: Only for what the forms say: what is a customer's own is not kept here.
_quoted_form = lru_cache(maxsize=4096)(_quoted)


def _quoted_parts(parts: Sequence[str]) -> bytes:
    """A soft line break after each part, so that those of the form need to be encoded only once."""
    return b"=\r\n".join(
        _quoted(part) if number % 2 else _quoted_form(part) for number, part in enumerate(parts)
    )
