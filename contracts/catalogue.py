"""Every message type and how its bytes become a typed envelope."""

import json
from typing import Annotated, Any, Literal, NoReturn, Union, cast

from pydantic import Field, TypeAdapter, ValidationError, create_model

from contracts import billing, commands, licensing, notifications, payments
from contracts.base import Data
from contracts.envelope import OWN_SOURCE, Envelope

#: Every published `data` class by its type.
MESSAGES: dict[str, type[Data]] = {
    message.TYPE: message
    for message in (
        *payments.FROM_UPSTREAM,
        *payments.TO_UPSTREAM,
        *commands.COMMANDS,
        *billing.EVENTS,
        *billing.CONTACTS,
        *licensing.EVENTS,
        *licensing.ENTITLEMENTS,
        *notifications.EVENTS,
    )
}


def _envelope_class(message: type[Data]) -> type[Envelope]:
    fields: dict[str, Any] = {"type": (Literal[message.TYPE], ...), "data": (message, ...)}
    name, doc = f"{message.__name__}Envelope", message.__doc__
    return create_model(name, __base__=Envelope, __doc__=doc, **fields)


#: The envelope class of every type; `ENVELOPES[type](...)` builds a checked message.
ENVELOPES: dict[str, type[Envelope]] = {
    type_: _envelope_class(message) for type_, message in MESSAGES.items()
}

_ANY_ENVELOPE: Any = Annotated[Union[tuple(ENVELOPES.values())], Field(discriminator="type")]  # noqa: UP007
_ADAPTER: TypeAdapter[Envelope] = TypeAdapter(_ANY_ENVELOPE)


class InvalidMessage(ValueError):
    """Bytes that are no valid message: `code` is stable, the text is one sentence for people.

    Codes: not_json, not_an_envelope, unknown_type (then `type` is set), invalid_field (also for a
    field that stands twice, which is looked for in what others wrote).
    """

    def __init__(self, code: str, sentence: str, type: str | None = None) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence
        self.type = type


def decode(value: bytes) -> Envelope:
    """Read one Kafka value as a typed envelope.

    Raises InvalidMessage with a code and a sentence that names the wrong field.
    """
    try:
        message = _ADAPTER.validate_json(value)
    except ValidationError as error:
        raise _explained(error) from None
    if not message.source.startswith(OWN_SOURCE):
        _STRICT_JSON.decode(value.decode())
    return message


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in fields if names.count(name) > 1)[:100]
        raise InvalidMessage("invalid_field", f"Field '{printable(twice)}' stands twice.")
    return fields


def _no_number(_: str) -> NoReturn:
    raise InvalidMessage(
        "not_json", "The value is not valid JSON: NaN and Infinity are no numbers."
    )


# What pydantic lets pass and another reader of the same bytes may read differently.
_STRICT_JSON = json.JSONDecoder(
    object_pairs_hook=_unambiguous, parse_constant=_no_number, parse_int=str, parse_float=str
)


def _explained(error: ValidationError) -> InvalidMessage:
    first = cast(dict[str, Any], error.errors(include_url=False, include_input=False)[0])
    kind = first["type"]
    if kind == "json_invalid":
        return InvalidMessage("not_json", "The value is not valid JSON in UTF-8.")
    if kind == "union_tag_invalid":
        tag = str(first["ctx"]["tag"])[:100]
        return InvalidMessage("unknown_type", f"The type '{printable(tag)}' is not known.", tag)
    if kind == "union_tag_not_found" or not first["loc"]:
        return InvalidMessage(
            "not_an_envelope", "The value is no CloudEvents envelope: field 'type' is missing."
        )
    path = ".".join(str(part) for part in first["loc"][1:])
    return InvalidMessage("invalid_field", f"Field '{printable(path)}': {first['msg']}."[:300])


def printable(text: str) -> str:
    """The text with everything that a terminal or a log could misread replaced by `?`."""
    return "".join(char if char.isprintable() else "?" for char in text)
