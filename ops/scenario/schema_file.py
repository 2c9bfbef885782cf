"""The JSON Schema of the scenario format, for editors: `python -m ops.scenario.schema_file [check|write]`."""

import argparse
import json
import sys
from pathlib import Path

from ops.scenario.format import Scenario

FILE = Path(__file__).with_name("scenario.schema.json")
MEND = "python -m ops.scenario.schema_file write"


def rendered() -> str:
    """The text of the file."""
    body = Scenario.model_json_schema()
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:tenure:scenario",
    }
    return json.dumps({**schema, **body}, indent=2) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """`check` (default) exits 1 when the file differs from the code; `write` mends it."""
    parser = argparse.ArgumentParser(prog="python -m ops.scenario.schema_file")
    parser.add_argument("action", nargs="?", choices=("check", "write"), default="check")
    parser.add_argument("--file", type=Path, default=FILE)
    given = parser.parse_args(arguments)
    if given.action == "write":
        given.file.write_text(rendered(), encoding="utf-8")
        return 0
    if given.file.is_file() and given.file.read_text(encoding="utf-8") == rendered():
        return 0
    sys.stderr.write(f"{given.file.name} differs from the code: run `{MEND}`.\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
