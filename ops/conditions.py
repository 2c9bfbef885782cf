"""What `tenure tail --where` asks of a record: a field, `=` or `!=`, and a value where `*` stands for anything."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from contracts.catalogue import MESSAGES
from contracts.envelope import Envelope
from ops.errors import NotFound, WrongUsage
from ops.masking import PERSONAL
from ops.phrases import short_type
from ops.terminal import suggestion

_WRITTEN = re.compile(r"(?P<field>[^=!\s]+)(?P<sign>!?=)(?P<value>.*)", re.DOTALL)
_HEADERS = "headers"


@dataclass(frozen=True)
class Condition:
    """One `--where`: whether a field is a value, or is anything else or missing."""

    path: tuple[str, ...]
    value: re.Pattern[str]
    equal: bool

    def holds(self, fields: Mapping[str, Any]) -> bool:
        """Whether it holds for the fields of a record; of a list, one item is enough."""
        found = any(self.value.fullmatch(text) for text in _texts(fields, self.path))
        return found is self.equal


def fields_of(value: bytes | None, headers: Mapping[str, str]) -> dict[str, Any]:
    """What conditions are asked of: the message as it was written, valid or not, and its headers."""
    try:
        message = json.loads(value or b"null")
    except (ValueError, RecursionError):
        message = None
    return {**(message if isinstance(message, dict) else {}), _HEADERS: headers}


def parse_conditions(given: Sequence[str], *, unmasked: bool = False) -> tuple[Condition, ...]:
    """The conditions as typed, such as `data.order_id=R-1001` or `type!=period-*`.

    Raises WrongUsage for another form, for a field with parts, and for personal data unless
    `unmasked`; NotFound, with a suggestion, for a field or type that no message has.
    """
    return tuple(_parsed(text, unmasked) for text in given)


def _parsed(text: str, unmasked: bool) -> Condition:
    match = _WRITTEN.fullmatch(text)
    if match is None:
        raise WrongUsage(
            f"--where '{text}': write FIELD=VALUE or FIELD!=VALUE, such as data.order_id=R-1001."
        )
    field, value = match["field"], match["value"]
    path = tuple(field.split("."))
    _check_field(field, path)
    if not unmasked and PERSONAL.intersection(path):
        raise WrongUsage(f"'{field}' is personal data: ask for it together with --unmasked.")
    pattern = re.compile(".*".join(map(re.escape, value.split("*"))), re.DOTALL)
    if field == "type":
        _check_type(value, pattern)
    return Condition(path, pattern, match["sign"] == "=")


def _check_field(field: str, path: tuple[str, ...]) -> None:
    if path[0] == _HEADERS and len(path) == 2:
        return
    known = _known_fields()
    if field in known:
        return
    parts = sorted(other for other in known if other.startswith(f"{field}."))
    if parts:
        raise WrongUsage(f"'{field}' has parts: ask for one of them, such as {parts[0]}.")
    raise NotFound(f"No message has a field '{field}'.{suggestion(field, known)}")


def _check_type(value: str, pattern: re.Pattern[str]) -> None:
    names = {name for known in MESSAGES for name in (known, short_type(known))}
    if not any(pattern.fullmatch(name) for name in names):
        raise NotFound(f"There is no message type '{value}'.{suggestion(value, names)}")


@cache
def _known_fields() -> frozenset[str]:
    """The fields of the envelope and of every message that hold a value of their own, or several."""
    known = set(Envelope.model_fields) - {"data"}
    for message in MESSAGES.values():
        schema = message.model_json_schema()
        known.update(_leaves(schema, schema.get("$defs", {}), "data"))
    return frozenset(known)


def _leaves(schema: Mapping[str, Any], definitions: Mapping[str, Any], path: str) -> Iterator[str]:
    named = schema.get("$ref", "").rpartition("/")[2]
    schema = definitions.get(named, schema)
    if "properties" in schema:
        for name, inner in schema["properties"].items():
            yield from _leaves(inner, definitions, f"{path}.{name}")
    elif "anyOf" in schema:
        for part in schema["anyOf"]:
            if part.get("type") != "null":
                yield from _leaves(part, definitions, path)
    elif isinstance(schema.get("items"), dict):
        yield from _leaves(schema["items"], definitions, path)
    else:
        yield path


def _texts(value: Any, path: Sequence[str]) -> Iterator[str]:
    """The values at a path as texts; a type also by its short name."""
    if isinstance(value, list):
        for item in value:
            yield from _texts(item, path)
    elif isinstance(value, Mapping):
        if path and path[0] in value:
            inner = value[path[0]]
            if tuple(path) == ("type",) and isinstance(inner, str):
                yield short_type(inner)
            yield from _texts(inner, path[1:])
    elif not path:
        yield value if isinstance(value, str) else json.dumps(value)
