"""What is published beside the code: the examples, and the schemas as an outsider would use them."""

import copy
import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import jsonschema_rs

from contracts import schema_files
from contracts.catalogue import InvalidMessage, decode

EXAMPLE_FILES = {
    file.stem: file for file in sorted(schema_files.FOLDER.with_name("examples").iterdir())
}


def example(type_: str) -> dict[str, Any]:
    """A fresh copy of the published example of a type."""
    loaded: dict[str, Any] = json.loads(EXAMPLE_FILES[type_].read_text(encoding="utf-8"))
    return loaded


@cache
def validator(type_: str) -> jsonschema_rs.Draft202012Validator:
    """The committed schema of a type; formats are not asserted, as in most validators by default."""
    file = schema_files.FOLDER / f"{type_}.json"
    return jsonschema_rs.Draft202012Validator(json.loads(file.read_text(encoding="utf-8")))


def code(message: Any) -> str:
    """`ok`, or the code with which decode refuses a message given as bytes or as JSON data."""
    raw = message if isinstance(message, bytes) else json.dumps(message).encode()
    try:
        decode(raw)
    except InvalidMessage as refusal:
        return refusal.code
    return "ok"


def edited(message: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """A copy of the message with the value at the path replaced."""
    changed = copy.deepcopy(message)
    place: Any = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return changed


def without(message: dict[str, Any], path: tuple[Any, ...]) -> dict[str, Any]:
    """A copy of the message without the field at the path."""
    changed = copy.deepcopy(message)
    place: Any = changed
    for step in path[:-1]:
        place = place[step]
    del place[path[-1]]
    return changed


def paths(node: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every field and list item of a message, outer ones first."""
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for step, value in items:
        yield (*here, step)
        if isinstance(value, dict | list):
            yield from paths(value, (*here, step))
