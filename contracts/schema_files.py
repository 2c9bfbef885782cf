"""One JSON Schema per message type in `contracts/schemas/`: what others need to write and read our messages.

`python -m contracts.schema_files [check|write]`. The schemas refuse whatever decode refuses, except
what JSON Schema cannot say: a currency must exist, `end` must lie after `start`, a day must be in the
calendar, and 1.0 is no integer. They ask writers for UUIDs with hyphens, which decode can do without.
Unknown fields are allowed, because readers ignore them.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from contracts.catalogue import ENVELOPES
from contracts.topics import TOPIC_OF, key_name

Schema = dict[str, Any]

FOLDER = Path(__file__).with_name("schemas")
INDEX = "index.json"
MEND = "python -m contracts.schema_files write"


class _Generator(GenerateJsonSchema):
    """Writes formats as patterns too, since many validators do not assert `format`."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """No titles that only repeat the name of the field."""
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> Schema:
        """No `default: null`: a field that is not set is not written."""
        if schema.get("default", ...) is None:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)

    def uuid_schema(self, schema: core_schema.UuidSchema) -> Schema:
        """A UUID with hyphens."""
        pattern = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
        return {"type": "string", "format": "uuid", "pattern": pattern}

    def date_schema(self, schema: core_schema.DateSchema) -> Schema:
        """A calendar day."""
        return {"type": "string", "format": "date", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}


def schema_of(type_: str) -> Schema:
    """The JSON Schema (2020-12) of one message type, envelope and data. Raises KeyError."""
    body = ENVELOPES[type_].model_json_schema(schema_generator=_Generator)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:tenure:{type_}",
        "title": type_,
        "description": body["description"],
        "type": body["type"],
        "required": body["required"],
        "properties": body["properties"],
        "$defs": body["$defs"],
    }


def schemas() -> dict[str, Schema]:
    """The schema of every message type, by type."""
    return {type_: schema_of(type_) for type_ in sorted(ENVELOPES)}


def index() -> dict[str, dict[str, str]]:
    """Where every message type is found: topic, what the key is, who writes it, what it says."""
    return {
        type_: {
            "topic": topic.name,
            "key": key_name(type_),
            "writer": topic.writer,
            "description": str(ENVELOPES[type_].__doc__),
        }
        for type_, topic in sorted(TOPIC_OF.items())
    }


def rendered() -> dict[str, str]:
    """The text of every file in `contracts/schemas/`, by file name."""
    files: dict[str, Any] = {f"{type_}.json": schema for type_, schema in schemas().items()}
    files[INDEX] = index()
    return {name: json.dumps(body, indent=2) + "\n" for name, body in files.items()}


def write(folder: Path = FOLDER) -> None:
    """Write every file and remove those of types that are gone."""
    folder.mkdir(exist_ok=True)
    files = rendered()
    for stale in folder.glob("*.json"):
        if stale.name not in files:
            stale.unlink()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


def drift(folder: Path = FOLDER) -> list[str]:
    """One sentence per file that is missing, left over, or differs from the code."""
    wanted = rendered()
    found = {file.name: file.read_text(encoding="utf-8") for file in folder.glob("*.json")}
    what = {name: "differs from the code" for name in wanted if found.get(name) != wanted[name]}
    what |= {name: "is missing" for name in wanted if name not in found}
    what |= {name: "belongs to no message type" for name in found if name not in wanted}
    place = f"{folder.parent.name}/{folder.name}"
    return [f"{place}/{name} {what[name]}: run `{MEND}`." for name in sorted(what)]


def main(arguments: list[str] | None = None) -> int:
    """`check` (default) exits 1 and names every file that drifted; `write` mends them."""
    parser = argparse.ArgumentParser(prog="python -m contracts.schema_files")
    parser.add_argument("action", nargs="?", choices=("check", "write"), default="check")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    given = parser.parse_args(arguments)
    if given.action == "write":
        write(given.folder)
        return 0
    sentences = drift(given.folder)
    sys.stderr.writelines(f"{sentence}\n" for sentence in sentences)
    return 1 if sentences else 0


if __name__ == "__main__":
    sys.exit(main())
