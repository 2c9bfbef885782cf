"""What is in the bytes of a dead letter, as far as they can be understood."""

import json
from typing import Any

from ops.terminal import escaped

_MISSING = object()


class _Twice(ValueError):
    """A field that stands twice in one object."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Twice
    return found


def parsed(raw: bytes) -> Any:
    """The JSON value, or None when it is none, or says a field twice."""
    try:
        return json.loads(raw, object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        return None


def text_field(value: Any, name: str) -> str:
    """A text of the outermost object, such as `type`; empty when there is none."""
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, str) else ""


def indented(raw: bytes) -> str:
    """JSON indented, anything else as it is: what an editor shows."""
    value = parsed(raw)
    if value is None:
        return raw.decode(errors="replace")
    return json.dumps(value, indent=2, ensure_ascii=False)


def pretty(raw: bytes) -> str:
    """The same for a terminal: nothing in it that one could misread."""
    return escaped(raw if parsed(raw) is None else indented(raw).encode(errors="replace"))


def compact(raw: bytes) -> bytes:
    """Indented JSON without its spaces; bytes that are no JSON as they are."""
    value = parsed(raw)
    if value is None:
        return raw.strip()
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def shape(value: Any, path: str) -> str:
    """What stands at `data.amount.minor`, told without its content: `a text of 4 characters`."""
    for part in path.split("."):
        if isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        elif isinstance(value, dict):
            value = value.get(part, _MISSING)
        else:
            value = _MISSING
        if value is _MISSING:
            return "missing"
    return _kind(value)


def _kind(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case int():
            return f"a whole number of {len(str(abs(value)))} digits"
        case float():
            return "a number with a decimal point"
        case str():
            return f"a text of {len(value)} characters"
        case list():
            return f"a list of {len(value)}"
    return f"an object with {', '.join(map(repr, value)) or 'no field'}"
