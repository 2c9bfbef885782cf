"""A letter becomes subject, text and HTML in the customer's language. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import iso4217
from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_datetime
from babel.numbers import format_currency
from babel.units import format_unit
from jinja2 import FileSystemLoader, StrictUndefined, Template, pass_context, select_autoescape
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup, escape
from mjml import mjml2html
from pydantic import JsonValue

from contracts.notifications import MailKind

FOLDER = Path(__file__).parent / "templates"
#: The language that every kind is written in.
DEFAULT_LANGUAGE = "en"
_UNITS = {"Y": "duration-year", "M": "duration-month", "W": "duration-week", "D": "duration-day"}
#: What stands in the MJML for a value of the letter, by its number.
_PLACE = re.compile(r"\[\[([0-9]+)\]\]")
_BLANK_LINES = re.compile(r"\n{3,}")


@dataclass(frozen=True, slots=True)
class Rendered:
    """The content of one mail; parts of the HTML are in turn the form's and the letter's."""

    language: str
    subject: str
    text: str
    html_parts: tuple[str, ...]

    @property
    def html(self) -> str:
        """The HTML as a reader gets it."""
        return "".join(self.html_parts)


class Letterhead:
    """All templates, compiled once; thread-safe and without state after that."""

    def __init__(self, folder: Path = FOLDER) -> None:
        """Compile every `<kind>/<language>/{subject.txt,body.txt,body.mjml}` under `folder`."""
        environment = ImmutableSandboxedEnvironment(
            loader=FileSystemLoader(folder),
            undefined=StrictUndefined,
            autoescape=select_autoescape(["mjml"], default=False),
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        environment.globals.clear()  # nothing is called, and every letter would copy them
        environment.filters.update(day=_day, moment=_moment, money=_money, term=_term)
        forms = environment.overlay(finalize=_placed)
        self._templates: dict[tuple[str, str], tuple[Template, Template, Template]] = {}
        for subject in sorted(folder.glob("*/*/subject.txt")):
            kind, language = subject.parts[-3:-1]
            self._templates[kind, language] = (
                environment.get_template(f"{kind}/{language}/subject.txt"),
                environment.get_template(f"{kind}/{language}/body.txt"),
                forms.get_template(f"{kind}/{language}/body.mjml"),
            )

    def languages(self, kind: MailKind) -> tuple[str, ...]:
        """The languages that a kind is written in."""
        return tuple(language for known, language in self._templates if known == kind)

    def render(
        self,
        kind: MailKind,
        letter: Mapping[str, JsonValue],
        *,
        name: str,
        locale: str,
        time_zone: str | None,
    ) -> Rendered:
        """One mail for a customer called `name` (empty: no name) who reads `locale`.

        Instants are shown in `time_zone`, else in the subscription's. Raises jinja2.UndefinedError
        when the letter lacks what its text cannot do without, such as the management link (S-54).
        """
        spoken = _locale(locale)
        if (kind, spoken.language) not in self._templates:
            spoken = _locale(DEFAULT_LANGUAGE)
        zone = _zone(time_zone) or _zone(str(letter.get("billing_tz"))) or ZoneInfo("UTC")
        values: list[str] = []
        shown = {**letter, "name": name, "_locale": spoken, "_zone": zone, "_values": values}
        subject, text, body = self._templates[kind, spoken.language]
        return Rendered(
            spoken.language,
            subject.render(shown).strip(),
            _BLANK_LINES.sub("\n\n", text.render(shown)).strip() + "\n",
            _filled(_compiled(body.render(shown)), values),
        )


@pass_context
def _placed(context: Context, value: object) -> Markup:
    """Keep a value for later, as safe HTML; its place in the MJML."""
    values: list[str] = context["_values"]
    values.append(escape(value))
    return Markup(f"[[{len(values) - 1}]]")


@lru_cache(maxsize=1024)  # kinds, languages and what their letters leave out
def _compiled(form: str) -> tuple[str, ...]:
    """The HTML of MJML without values: text and numbers of values in turn."""
    return tuple(_PLACE.split(mjml2html(form)))


def _filled(form: tuple[str, ...], values: Sequence[str]) -> tuple[str, ...]:
    parts = list(form)
    parts[1::2] = [values[int(number)] for number in form[1::2]]
    return tuple(parts)


@lru_cache(maxsize=512)
def _locale(tag: str) -> Locale:
    try:
        return Locale.parse(tag, sep="-" if "-" in tag else "_")
    except (UnknownLocaleError, ValueError):
        return Locale.parse(DEFAULT_LANGUAGE)


@lru_cache(maxsize=1024)
def _zone(name: str | None) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


@pass_context
def _day(context: Context, value: str) -> str:
    return _day_in(value, context["_zone"], context["_locale"])


@pass_context
def _moment(context: Context, value: str) -> str:
    return _moment_in(value, context["_zone"], context["_locale"])


@pass_context
def _money(context: Context, value: Mapping[str, Any]) -> str:
    return _money_in(value["minor"], value["currency"], context["_locale"])


@pass_context
def _term(context: Context, value: str) -> str:
    return _term_in(value, context["_locale"])


@lru_cache(maxsize=512)
def _term_in(value: str, locale: Locale) -> str:
    return format_unit(int(value[1:-1]), _UNITS[value[-1]], locale=locale)


@lru_cache(maxsize=4096)
def _day_in(value: str, zone: ZoneInfo, locale: Locale) -> str:
    return format_date(datetime.fromisoformat(value).astimezone(zone), "long", locale=locale)


@lru_cache(maxsize=4096)
def _moment_in(value: str, zone: ZoneInfo, locale: Locale) -> str:
    instant = datetime.fromisoformat(value)
    clock = format_datetime(instant, "HH:mm (zzzz)", tzinfo=zone, locale=locale)
    return f"{_day_in(value, zone, locale)}, {clock}"


@lru_cache(maxsize=4096)
def _money_in(minor: int, currency: str, locale: Locale) -> str:
    digits = iso4217.Currency(currency).exponent or 0
    # Not quantized: minor units are ISO 4217's, and CLDR shows fewer digits of some currencies.
    return format_currency(
        Decimal(minor).scaleb(-digits), currency, locale=locale, decimal_quantization=False
    )
