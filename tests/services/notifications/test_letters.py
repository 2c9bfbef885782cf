"""Every kind reads well in every language, with and without what is optional."""

import re
from typing import Any, get_args

import pytest
from jinja2 import UndefinedError
from pydantic import JsonValue

from contracts import billing
from contracts.base import Data
from contracts.notifications import MailKind
from services.notifications.render import FOLDER, Letterhead, Rendered
from tests.services.notifications.letters import CASES, LIVES, letter_of, letter_of_kind

LINK = "https://store.example.com/subscriptions/ref-1"
KINDS: tuple[MailKind, ...] = get_args(MailKind)


@pytest.fixture(scope="module")
def letterhead() -> Letterhead:
    return Letterhead()


def render(
    letterhead: Letterhead, kind: MailKind, letter: dict[str, JsonValue], **contact: Any
) -> Rendered:
    return letterhead.render(
        kind, letter, **{"name": "Ada", "locale": "en", "time_zone": None, **contact}
    )


def words(html: str) -> str:
    """What a reader sees of the HTML."""
    body = html[html.index("<body") :]
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


@pytest.mark.parametrize("life", LIVES)
@pytest.mark.parametrize(("kind", "message", "data"), CASES)
def test_every_kind_renders_in_every_language(
    letterhead: Letterhead, kind: MailKind, message: type[Data], data: dict[str, Any], life: str
) -> None:
    letter = letter_of(kind, message, data, life)
    for locale in ("en", "en-GB", "de", "de-AT", "fr", "zh-Hant-TW", "?"):
        mail = render(letterhead, kind, letter, name="Grace", locale=locale)
        assert mail.language == ("de" if locale.startswith("de") else "en")
        reads_well(mail)


def reads_well(mail: Rendered) -> None:
    assert mail.subject
    assert "\n" not in mail.subject
    for part in (mail.subject, mail.text, words(mail.html)):
        assert not re.search(r"\{\{|\}\}|\{%|%\}|None|T\d\d:\d\d|\s,|mj-", part)
    paragraphs = mail.text.split("\n-- \n")[0]
    assert not re.search(r"\S\n\S", paragraphs)
    assert "Grace" not in mail.subject
    assert "Grace," in mail.text
    assert "Grace," in words(mail.html)
    assert "fonts.googleapis" not in mail.html
    hosts = set(re.findall(r"https?://([^/\"' ]+)", mail.text + words(mail.html)))
    assert hosts == {"store.example.com"}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_written_in_both_languages(letterhead: Letterhead, kind: MailKind) -> None:
    assert letterhead.languages(kind) == ("de", "en")


@pytest.mark.parametrize("locale", ["en", "de"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_mail_leaves_without_the_management_link(
    letterhead: Letterhead, kind: MailKind, locale: str
) -> None:
    """S-54: confirmation and reminder contain the link; the others do so too."""
    letter = letter_of_kind(kind)
    mail = render(letterhead, kind, letter, locale=locale)
    assert LINK in mail.text
    assert f'href="{LINK}"' in mail.html
    del letter["link"]
    with pytest.raises(UndefinedError, match="link"):
        render(letterhead, kind, letter, locale=locale)


@pytest.mark.parametrize("kind", ["order-confirmation", "renewal-reminder"])
@pytest.mark.parametrize("part", ["body.txt", "body.mjml"])
@pytest.mark.parametrize("language", ["en", "de"])
def test_confirmation_and_reminder_name_the_link_themselves(
    kind: str, part: str, language: str
) -> None:
    """S-54 does not hang on the shared layout alone."""
    assert "{{ link }}" in (FOLDER / kind / language / part).read_text()


@pytest.mark.parametrize("kind", KINDS)
def test_a_customer_without_a_usable_name_is_greeted_without_one(
    letterhead: Letterhead, kind: MailKind
) -> None:
    mail = render(letterhead, kind, letter_of_kind(kind), name="")
    assert mail.text.startswith("Hello,\n")


def test_instants_are_told_in_the_customers_zone_else_the_subscriptions(
    letterhead: Letterhead,
) -> None:
    letter = letter_of_kind("grace-started")
    assert (
        "10:00 (Coordinated Universal Time)"
        in render(letterhead, "grace-started", letter, time_zone="UTC").text
    )
    for unknown in (None, "Mars/Olympus", "../../etc/passwd"):
        mail = render(letterhead, "grace-started", letter, time_zone=unknown)
        assert "12:00 (Central European Summer Time)" in mail.text


@pytest.mark.parametrize(
    ("locale", "amount", "day"),
    [
        ("en", "€49.90", "June 15, 2026"),
        ("en-GB", "€49.90", "15 June 2026"),
        ("de", "49,90\u00a0€", "15. Juni 2026"),
        ("fr", "€49.90", "June 15, 2026"),
    ],
)
def test_money_and_days_follow_the_locale_that_the_text_is_in(
    letterhead: Letterhead, locale: str, amount: str, day: str
) -> None:
    letter = letter_of("renewal-reminder", billing.RenewalReminderDue, {})
    mail = render(letterhead, "renewal-reminder", letter, locale=locale)
    assert amount in mail.text
    assert day in mail.text


@pytest.mark.parametrize(
    ("minor", "currency", "shown"),
    [(1200, "JPY", "¥1,200"), (12500, "KWD", "12.500"), (5, "USD", "$0.05"), (0, "EUR", "€0.00")],
)
def test_money_has_the_digits_of_its_currency(
    letterhead: Letterhead, minor: int, currency: str, shown: str
) -> None:
    letter = letter_of_kind("refund-settled")
    letter["amount"] = {"minor": minor, "currency": currency}
    assert shown in render(letterhead, "refund-settled", letter).text


def test_a_cancellation_names_the_end_and_how_to_get_money_back(letterhead: Letterhead) -> None:
    """S-39."""
    mail = render(letterhead, "cancellation", letter_of_kind("cancellation"))
    assert "until June 15, 2026" in mail.text
    assert "refund of order order-1 until July 15, 2025" in mail.text


def test_user_text_is_escaped_in_html(letterhead: Letterhead) -> None:
    letter = {**letter_of_kind("refund-settled"), "order_id": '<img/onerror=x>&"{{7*7}}'}
    mail = render(letterhead, "refund-settled", letter, name="<b>Ada</b>")
    assert "<b>Ada" not in mail.html
    assert "<img/onerror" not in mail.html
    assert "49" not in words(mail.html).split("order")[1].split("were")[0]


def test_letters_of_one_form_share_no_value(letterhead: Letterhead) -> None:
    """The HTML of a form is made once; what stands in it is each customer's own."""
    letter = letter_of_kind("order-confirmation")
    other = {**letter, "order_id": "[[0]]&[[1]]", "link": "https://store.example.com/?a=1&b=2"}
    first = render(letterhead, "order-confirmation", letter, name="Ada")
    second = render(letterhead, "order-confirmation", other, name="Grace")
    assert "Ada" in first.html
    assert "Ada" not in second.html
    assert "your order [[0]]&amp;[[1]]." in words(second.html)
    assert second.html.count('href="https://store.example.com/?a=1&amp;b=2"') == 2
    assert render(letterhead, "order-confirmation", letter, name="Ada") == first


@pytest.mark.parametrize(
    ("decided", "said", "never"),
    [
        (billing.DisputeWon, "Your subscription goes on.", "has taken back"),
        (billing.DisputeLost, "has taken back", "goes on"),
    ],
)
def test_a_decided_dispute_is_told_as_it_was_decided(
    letterhead: Letterhead, decided: type[Data], said: str, never: str
) -> None:
    mail = render(letterhead, "dispute-closed", letter_of("dispute-closed", decided, {}))
    for form in (mail.text, mail.html):
        assert said in form
        assert never not in form
