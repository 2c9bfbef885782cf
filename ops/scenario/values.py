"""Small values of a scenario file: what a field may hold, and shorthands for it."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import iso4217
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import core_schema

from contracts.values import Money, Plan
from ops.phrases import money as written


class Part(BaseModel):
    """A part of a scenario file; a field that it does not know is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _money(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    number, _, currency = value.partition(" ")
    try:
        digits = iso4217.Currency(currency).exponent or 0
        minor = Decimal(number).scaleb(digits)
        if minor != int(minor):
            raise ValueError
        return Money(minor=int(minor), currency=currency)
    except (ValueError, InvalidOperation):
        raise ValueError(f"'{value}' is no amount: write it like 49.99 EUR") from None


#: An amount such as `49.99 EUR`.
Amount = Annotated[
    Money,
    BeforeValidator(_money),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]+([.][0-9]+)? [A-Z]{3}$"}),
]
PRICE = Money(minor=4999, currency="EUR")
PLAN = Plan(
    product_id="internet-security", product_type="update-and-protection", term="P1Y", seats=3
)
#: An order of the scenario by its number or name, or `last`: the one whose period was scheduled last.
Order = Annotated[
    int | Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,40}$")],
    Field(description="Number or name of an order; `last`: what was bought last."),
]
#: A rule of the product documents.
RuleId = Annotated[
    str,
    StringConstraints(
        pattern=r"^(S-[0-9]{2}[a-e]?|Q[0-9]{1,2}|T[0-9]{1,2}|I-[0-9]{1,2}|[13][a-g])$"
    ),
]


class Shorthand:
    """A name alone stands for a mapping with that `key`, or, without one, for the whole value."""

    def __init__(self, key: str, names: Iterable[str]) -> None:
        """`names`: what may stand alone."""
        self.key = key
        self.names = tuple(names)

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        """Expand the name before the mapping is checked."""
        return core_schema.no_info_before_validator_function(self._expand, handler(source))

    def _expand(self, value: Any) -> Any:
        return {self.key: value} if isinstance(value, str) else value

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> dict[str, Any]:
        """The name, or the mapping."""
        return {"anyOf": [{"enum": list(self.names)}, handler(core)]}


class NowOr:
    """A value alone is meant for the instant of the step; a mapping names the instants."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        """Expand the value before the mapping is checked."""
        return core_schema.no_info_before_validator_function(self._expand, handler(source))

    @staticmethod
    def _expand(value: Any) -> Any:
        return value if isinstance(value, dict) else {"now": value}

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> dict[str, Any]:
        """The value, or the mapping."""
        schema: dict[str, Any] = handler(core)
        (value,) = schema["patternProperties"].values()
        return {"anyOf": [value, {**schema, "additionalProperties": False}]}


def amount_text(amount: Money) -> str:
    """An amount as scenarios write it: `49.99 EUR`."""
    return written(amount).replace(",", "")


def instant_text(value: datetime | str) -> str:
    """An instant as scenarios write it; words stay as they are."""
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value


def on_text(value: bool) -> str:
    """`on` or `off`."""
    return "on" if value else "off"
