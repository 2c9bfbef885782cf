"""The schemas say what decode does, and the committed files say what the code does."""

from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from contracts import schema_files
from contracts.catalogue import MESSAGES
from contracts.topics import TOPIC_OF, key_name
from tests.contracts.published import code, edited, example, paths, validator, without

PLACED = "payments.order-placed.v1"
#: What may stand in a field by mistake or malice.
WRONG: tuple[Any, ...] = (
    None, True, -1, 0, 0.5, 10**16, "", " ", "x", "\x00", "\u2028", "x" * 300, "1741600000000",
    "2025-01-01", "2025-01-01T00:00:00", "2025-01-01T00:00:60Z", "1999-12-31T23:59:59Z", [], {}, [1],
)  # fmt: skip
types = pytest.mark.parametrize("type_", sorted(MESSAGES))


def test_the_committed_files_are_those_of_the_code() -> None:
    assert schema_files.drift() == []
    assert schema_files.main(["check"]) == 0


@types
def test_a_schema_is_valid_and_described(type_: str) -> None:
    schema = schema_files.schema_of(type_)
    assert jsonschema_rs.meta.is_valid(schema)
    assert schema["$id"] == f"urn:tenure:{type_}"
    assert schema["description"] == MESSAGES[type_].__doc__
    assert schema["properties"]["type"] == {"const": type_, "type": "string"}
    assert "additionalProperties" not in str(schema)


@types
def test_the_schema_and_decode_agree_on_every_wrong_value(type_: str) -> None:
    right = example(type_)
    disagreements = []
    for path in paths(right):
        for value in WRONG:
            wrong = edited(right, path, value)
            if validator(type_).is_valid(wrong) != (code(wrong) == "ok"):
                disagreements.append((path, value))
    assert disagreements == []


@types
def test_the_schema_and_decode_agree_on_every_missing_field(type_: str) -> None:
    right = example(type_)
    for path in paths(right):
        wrong = without(right, path)
        assert validator(type_).is_valid(wrong) == (code(wrong) == "ok"), path


@types
def test_unknown_fields_are_allowed_everywhere(type_: str) -> None:
    right = example(type_)
    inside = [path for path in paths(right) if isinstance(path[-1], str)]
    for path in {path[:-1] for path in inside}:
        assert validator(type_).is_valid(edited(right, (*path, "field_of_tomorrow"), 1))


BROKEN = {
    "an unknown type": (("type",), "payments.order-imagined.v1"),
    "another specversion": (("specversion",), "0.3"),
    "a subject with a space": (("subject",), "R 1001"),
    "a naive time": (("time",), "2025-01-10T09:00:05"),
    "a time as a number": (("time",), 1741600000),
    "a time before 2000": (("time",), "1970-01-01T00:00:00Z"),
    "an amount as text": (("data", "amount", "minor"), "1499"),
    "a negative amount": (("data", "amount", "minor"), -1),
    "a currency in lower case": (("data", "amount", "currency"), "eur"),
    "a currency with a Cyrillic letter": (("data", "amount", "currency"), "EU\u0420"),
    "an unknown product type": (("data", "plan", "product_type"), "antivirus"),
    "a term in words": (("data", "plan", "term"), "one year"),
    "no seats": (("data", "plan", "seats"), 0),
    "a line break in the name": (("data", "customer", "name"), "Ann\r\nBcc: x@example.com"),
    "a change of direction in the name": (("data", "customer", "name"), "Ann \u202eeeL"),
    "two addresses": (("data", "customer", "email"), "a@example.com, b@example.com"),
    "a region in words": (("data", "customer", "region"), "Germany"),
}


@pytest.mark.parametrize(("path", "value"), BROKEN.values(), ids=BROKEN)
def test_a_broken_order_is_refused_by_schema_and_decode(path: tuple[str, ...], value: Any) -> None:
    wrong = edited(example(PLACED), path, value)
    assert not validator(PLACED).is_valid(wrong)
    assert code(wrong) in ("invalid_field", "unknown_type")


LOOSER = {
    "a currency that does not exist": (PLACED, ("data", "amount", "currency"), "ZZZ"),
    "a day that does not exist": (PLACED, ("time",), "2025-02-29T00:00:00Z"),
    "a whole number with a fraction of zero": (PLACED, ("data", "plan", "seats"), 3.0),
    "a period that ends before it starts": (
        "payments.charge-requested.v1",
        ("data", "period", "end"),
        "2024-01-01T00:00:00Z",
    ),
}


@pytest.mark.parametrize(("type_", "path", "value"), LOOSER.values(), ids=LOOSER)
def test_where_the_schema_is_looser_than_decode(
    type_: str, path: tuple[str, ...], value: Any
) -> None:
    wrong = edited(example(type_), path, value)
    assert code(wrong) == "invalid_field"
    assert validator(type_).is_valid(wrong)


def test_the_index_tells_where_every_type_is_found() -> None:
    index = schema_files.index()
    assert set(index) == set(MESSAGES)
    for type_, entry in index.items():
        topic = TOPIC_OF[type_]
        assert (entry["topic"], entry["key"], entry["writer"]) == (
            topic.name,
            key_name(type_),
            topic.writer,
        )
        assert entry["description"] == MESSAGES[type_].__doc__


def test_drift_is_named_with_the_command_that_mends_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "schemas"
    assert schema_files.main(["write", "--folder", str(folder)]) == 0
    (folder / f"{PLACED}.json").write_text("{}")
    (folder / schema_files.INDEX).unlink()
    (folder / "payments.gone.v1.json").write_text("{}")
    assert schema_files.main(["check", "--folder", str(folder)]) == 1
    place, mend = f"{tmp_path.name}/schemas", f"run `{schema_files.MEND}`."
    assert capsys.readouterr().err.splitlines() == [
        f"{place}/index.json is missing: {mend}",
        f"{place}/payments.gone.v1.json belongs to no message type: {mend}",
        f"{place}/{PLACED}.json differs from the code: {mend}",
    ]
    assert schema_files.main(["write", "--folder", str(folder)]) == 0
    assert schema_files.main(["check", "--folder", str(folder)]) == 0
