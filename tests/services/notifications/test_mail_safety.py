"""Nothing that a customer or a payment system writes can bend a mail (reliability 5.5)."""

from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage, Message
from email.policy import default
from typing import Any, cast

import pytest

from services.notifications.mime import (
    HEADERS,
    Labels,
    UnsafeMail,
    compose,
    inspect,
    safe_address,
    safe_name,
)
from services.notifications.render import Rendered
from tests.domain.notifications.stories import SUBSCRIPTION, named

MESSAGE_ID = f"<{named('notice')}@mail.store.example>"
LABELS = Labels(MESSAGE_ID, SUBSCRIPTION, named("notice"), "receipt")
CONTENT = Rendered(
    "de",
    "Ihre Zahlung für Jänner",
    "Grüße\n.\nvon uns\n",
    ("<p>" + "ü" * 3000, "Jo. \r\n", "\n.</p> ", "=", ""),
)


def composed(content: Rendered = CONTENT, **more: Any) -> bytes:
    usual: dict[str, Any] = {
        "sender_name": "Online Store",
        "sender_address": "no-reply@store.example",
        "to_name": "Jörg",
        "to_address": "j@x.example",
        "date": datetime(2025, 6, 15, 10, tzinfo=UTC),
    }
    return compose(content, LABELS, **{**usual, **more})


def content_of(part: Message) -> str:
    return str(cast(EmailMessage, part).get_content()).replace("\r\n", "\n").rstrip()


def test_a_mail_reads_as_it_was_written() -> None:
    mail = message_from_bytes(composed(), policy=default)
    assert tuple(mail.keys()) == HEADERS
    assert mail["To"] == "Jörg <j@x.example>"
    assert mail["From"] == "Online Store <no-reply@store.example>"
    assert mail["Subject"] == CONTENT.subject
    assert mail["Message-ID"] == MESSAGE_ID
    assert mail["X-Tenure-Subscription"] == str(SUBSCRIPTION)
    assert mail["X-Tenure-Kind"] == "receipt"
    text, html = mail.iter_parts()
    assert content_of(text) == CONTENT.text.rstrip()
    assert content_of(html) == CONTENT.html.replace("\r", "")
    assert not mail.defects


def test_the_same_mail_has_the_same_bytes() -> None:
    assert composed() == composed()


@pytest.mark.parametrize(
    "name",
    [
        "Ada Lovelace",
        "Jörg",
        "O'Brien",
        "Anne-Marie",
        "J. R. R. Tolkien",
        "李明",
        "Zoë",
        "محمد",
        "Doe, Jane",
        "Nguyễn Văn An",
    ],
)
def test_names_of_people_pass(name: str) -> None:
    assert safe_name(name) == name
    mail = message_from_bytes(composed(to_name=name), policy=default)
    (address,) = mail["To"].addresses
    assert (address.display_name, address.addr_spec) == (name, "j@x.example")


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "Ada\r\nBcc: e@y.example",
        "Ada\nX",
        "=?utf-8?q?X=0d=0aBcc=3a?=",
        "A\u2028B",
        "A\u0085B",
        "A\u001cB",
        "\u202eadA",
        "A\u200bda",
        "<script>alert(1)</script>",
        "a@x.example",
        "Ada <e@y.example>",
        "{{7*7}}",
        "${jndi:ldap}",
        "%s%n",
        "www.evil.example",
        "see https://evil.example",
        "evil.example",
        '"; DROP',
        "A" * 101,
        "Z" + "\u0301" * 4 + "lgo",
        "\x1b[31mred",
        "=cmd|' /C calc'!A0",
        "4111111111111111",
    ],
)
def test_what_is_no_name_is_left_out(name: str) -> None:
    assert safe_name(name) == ""


@pytest.mark.parametrize(
    "address",
    [
        "",
        "nobody",
        "@x.example",
        "a@",
        "a@x.example,b@y.example",
        "a@x.example>,<e@y.example",
        "a@x.example\r\nBcc: e@y.example",
        "a@x.example\n",
        "a b@x.example",
        '"a b"@x.example',
        "=?utf-8?q?a?=@x.example",
        "a@x..example",
        "a@-x.example",
        "a@xn--\u0430.example",
        "\u0430@x.example",
        "a\u200b@x.example",
        "a" * 65 + "@x.example",
        "a@" + "x" * 64 + ".example",
        "a@" + "x." * 130 + "example",
        "a\0@x.example",
    ],
)
def test_an_address_that_is_not_one_plain_address_is_refused(address: str) -> None:
    with pytest.raises(UnsafeMail) as refused:
        safe_address(address)
    assert refused.value.code == "UNSAFE_ADDRESS"
    with pytest.raises(UnsafeMail):
        composed(to_address=address)


@pytest.mark.parametrize("address", ["a@x.example", "a.b+c@mail.x.example", "o'b@x.example"])
def test_plain_addresses_pass(address: str) -> None:
    assert safe_address(address) == address


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (Rendered("en\r\nBcc: e@y.example", "s", "t", ("h",)), "UNSAFE_HEADERS"),
        (Rendered("en", "s\r\nBcc: e@y.example", "t", ("h",)), "UNSAFE_HEADERS"),
        (Rendered("en", "s\r\n\r\nbody", "t", ("h",)), "UNSAFE_HEADERS"),
        (Rendered("en", "=?utf-8?q?hidden?=", "t", ("h",)), "UNSAFE_SUBJECT"),
        (Rendered("en", "s" * 1000, "t", ("h",)), "UNSAFE_LINES"),
    ],
)
def test_the_guard_finds_what_the_builder_would_let_through(content: Rendered, code: str) -> None:
    with pytest.raises(UnsafeMail) as refused:
        composed(content)
    assert refused.value.code == code


def test_the_guard_wants_exactly_the_intended_recipient() -> None:
    payload = composed()
    with pytest.raises(UnsafeMail):
        inspect(payload, "other@x.example", CONTENT.subject)
    twice = payload.replace(b"\r\nSubject:", b"\r\nTo: e@y.example\r\nSubject:", 1)
    with pytest.raises(UnsafeMail):
        inspect(twice, "j@x.example", CONTENT.subject)
    blind = payload.replace(b"\r\nSubject:", b"\r\nBcc: e@y.example\r\nSubject:", 1)
    with pytest.raises(UnsafeMail):
        inspect(blind, "j@x.example", CONTENT.subject)


def test_no_line_is_too_long_and_every_line_ends_in_crlf() -> None:
    lines = composed().split(b"\r\n")
    assert max(map(len, lines)) <= 998
    assert not any(b"\n" in line or b"\r" in line for line in lines)
