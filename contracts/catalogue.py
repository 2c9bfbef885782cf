"""Every message type and how its bytes become a typed envelope."""

from typing import Annotated, Any, Literal, Union, cast

from pydantic import Field, TypeAdapter, ValidationError, create_model

from contracts import (
    audit,
    billing,
    commands,
    licensing,
    notifications,
    operations,
    payments,
)
from contracts.base import Data
from contracts.envelope import Envelope

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
        *audit.DECISIONS,
        *operations.ALERTS,
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

    Codes: not_json, not_an_envelope, unknown_type (then `type` is set), invalid_field.
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
        return _ADAPTER.validate_json(value)
    except ValidationError as error:
        raise _explained(error) from None


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
