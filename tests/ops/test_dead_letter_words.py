"""What `tenure dlq` knows without a stack: codes, shapes, order, checks, the editor."""

import ast
import json
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from aiokafka import ConsumerRecord

from contracts.schema_files import FOLDER
from ops.connection import Stack
from ops.dead_letters import DeadLetter, from_record
from ops.dlq.content import compact, parsed, shape
from ops.dlq.editing import difference, edited
from ops.dlq.explaining import CODES, commands, explained
from ops.dlq.redriving import Decision, headers, in_order
from ops.dlq.rehearsing import counted, rehearse
from ops.dlq.validating import faults, refusal
from ops.errors import OpsError, WrongUsage
from tests.ops.orders import order
from tests.ops.running import PROJECT, Tenure

NOW = datetime(2026, 1, 1, 9, tzinfo=UTC)
_ID = UUID(int=1)
_RAISED = {"Problem", "Impossible", "PoisonMessage", "InvalidMessage"}
_ROOMS = ("chassis", "contracts", "ledger", "services")


def letter(value: bytes, offset: int = 0, **given: Any) -> DeadLetter:
    """A dead letter of billing; headers by name, with underscores."""
    usual = {
        "dlq_topic": "payments.events",
        "dlq_partition": "0",
        "dlq_offset": str(offset),
        "dlq_timestamp": str(1000 + offset),
        "dlq_code": "invalid_field",
        "dlq_error": "Field 'data.amount.minor': Input should be a valid integer.",
        "dlq_attempts": "1",
        "dlq_subject": "R-1",
    }
    named = {**usual, **given}
    pairs = [(name.replace("_", "-"), str(text).encode()) for name, text in named.items()]
    return from_record(
        Stack({}),
        ConsumerRecord("billing.dlq", 0, 0, 0, 0, b"R-1", value, None, 0, 0, pairs),
    )


def message(**changes: Any) -> bytes:
    return json.dumps({**json.loads(order("R-1", NOW)), **changes}).encode()


def _codes_written() -> set[str]:
    """The first argument wherever the product says why a message is a dead letter."""
    found = set()
    for room in _ROOMS:
        for file in (PROJECT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                    first = node.args[0] if node.args else None
                    if node.func.id in _RAISED and isinstance(first, ast.Constant):
                        found.add(first.value)
    return found


def test_every_code_that_the_product_writes_is_explained() -> None:
    assert _codes_written() == set(CODES)


@pytest.mark.parametrize("code", CODES)
def test_an_explanation_ends_in_commands(code: str) -> None:
    words = CODES[code]
    assert words.means.endswith(".")
    assert words.helps.endswith(".")
    lines = list(commands(letter(b"{}", dlq_code=code)))
    assert lines
    assert all(line.startswith("tenure dlq ") and "payments.events/0/0" in line for line in lines)
    assert all(("--why" in line) is ("discard" in line) for line in lines)


def test_one_letter_is_explained_without_its_content() -> None:
    spoilt = message()
    body = json.loads(spoilt)
    body["data"]["amount"]["minor"] = "secret"
    words = "\n".join(explained(letter(json.dumps(body).encode(), dlq_attempts=3)))
    assert "'data.amount.minor' is a text of 6 characters" in words
    assert "refused 3 times" in words
    assert "payments.order-placed.v1" in words
    assert "Nothing waits behind it." in words
    assert "secret" not in words
    assert "Ann Lee" not in words
    assert "unknown here" in "\n".join(explained(letter(b"{", dlq_code="from_tomorrow")))


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("a.b", "a whole number of 3 digits"),
        ("a.c", "missing"),
        ("list.1", "null"),
        ("list.7", "missing"),
        ("list", "a list of 2"),
        ("t", "a text of 2 characters"),
        ("f", "a number with a decimal point"),
        ("yes", "true"),
        ("a", "an object with 'b'"),
        ("t.deeper", "missing"),
    ],
)
def test_a_shape_tells_kind_and_size(path: str, words: str) -> None:
    value = {"a": {"b": -123}, "list": [True, None], "t": "äb", "f": 0.5, "yes": True}
    assert shape(value, path) == words


def test_a_field_that_stands_twice_is_kept_for_the_editor() -> None:
    twice = b'{"a": 1, "a": 2}'
    assert parsed(twice) is None
    assert compact(twice) == twice
    assert compact(b'{ "a": 1.0 }\n') == b'{"a":1.0}'


@pytest.mark.parametrize(
    ("value", "topic", "code", "field"),
    [
        (b"{", "payments.events", "not_json", ""),
        (b'{"a": 1, "a": 2}', "payments.events", "not_an_envelope", ""),
        (message(type="payments.dance.v1"), "payments.events", "unknown_type", ""),
        (message(), "billing.commands", "wrong_topic", ""),
        (message(providerid=7), "payments.events", "invalid_field", "providerid"),
        (
            message(time=(NOW + timedelta(hours=1)).isoformat()),
            "payments.events",
            "time_in_future",
            "time",
        ),
        (message(x="x" * 70_000), "payments.events", "too_large", ""),
        (message(source="/tenure/billing"), "payments.events", "invalid_field", "source"),
    ],
)
def test_what_a_reader_would_refuse_again(value: bytes, topic: str, code: str, field: str) -> None:
    found = refusal(value, topic, NOW)
    assert found is not None
    assert (found.code, found.field) == (code, field)
    assert found.sentence.endswith(".")


def test_a_newer_version_and_a_wrong_subject_on_our_own_topics_are_seen() -> None:
    file = Path(FOLDER).parent / "examples" / "billing.payment-succeeded.v1.json"
    good = json.loads(file.read_bytes())
    for change, code in (({"type": "billing.payment-succeeded.v2"}, "unknown_type"), ({}, None)):
        found = refusal(json.dumps({**good, **change}).encode(), "billing.events", NOW)
        assert (found and found.code) == code
    found = refusal(json.dumps({**good, "subject": "R-1"}).encode(), "billing.events", NOW)
    assert found is not None
    assert found.code == "invalid_subject"


def test_the_schema_sees_what_the_reader_lets_pass() -> None:
    assert faults(message(), None, NOW) == []
    body = json.loads(message())
    body["data"]["seats"] = "x"
    body["data"]["plan"]["seats"] = 0
    told = faults(json.dumps(body).encode(), None, NOW)
    assert [fault.code for fault in told] == ["invalid_field", "schema"]
    assert told[1].field == "data.plan.seats"


def test_letters_go_back_as_they_came() -> None:
    one, two, three = (letter(b"{", n) for n in (1, 2, 3))
    # The broker's clock was set back between 2 and 3; another partition came in between.
    two = letter(b"{", 2, dlq_timestamp=5000)
    other = letter(b"{", 1, dlq_partition=1, dlq_timestamp=3000)
    assert in_order([three, other, two, one]) == [one, other, two, three]


def test_what_goes_back_keeps_its_own_headers() -> None:
    given = {"origin_traceparent": "00-1", "origin_redrive_who": "somebody", "dlq_timestamp": 77}
    told = dict(headers(letter(b"{", **given), Decision("redrive", "Ann", None), _ID))
    assert told["traceparent"] == b"00-1"
    assert told["redrive-who"] == b"Ann"
    assert told["redrive-timestamp"] == b"77"
    assert "redrive-why" not in told


def test_a_rehearsal_counts_by_what_would_become_of_them() -> None:
    plan = rehearse([letter(b"{", 1), letter(message(), 2), letter(message(), 3)], NOW)
    rows = {(row["type"], row["refused_again"]): row["letters"] for row in counted(plan)}
    assert rows == {("", "not_json"): 1, ("payments.order-placed.v1", ""): 2}


def _editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """An editor that runs a line of shell with the file as $1."""
    program = tmp_path / "editor"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o700)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", f"{program} --wait")


def test_the_editor_gets_a_private_file_that_is_gone_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "seen"
    script = f'stat -c "%a %n" "$2" > {seen}; sed -i s/R-1/R-2/ "$2"'
    _editor(tmp_path, monkeypatch, script)
    after = edited(message())
    assert parsed(after)["subject"] == "R-2"
    mode, name = seen.read_text().split()
    assert int(mode, 8) == stat.S_IRUSR | stat.S_IWUSR
    assert not Path(name).parent.exists()
    words = difference(message(), after).plain
    assert '-  "subject": "R-1"' in words
    assert '+  "subject": "R-2"' in words


def test_an_editor_that_fails_or_is_missing_sends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _editor(tmp_path, monkeypatch, "exit 3")
    with pytest.raises(OpsError, match="status 3"):
        edited(b"{")
    monkeypatch.setenv("EDITOR", str(tmp_path / "none"))
    with pytest.raises(OpsError, match="cannot be started"):
        edited(b"{")
    monkeypatch.setenv("EDITOR", "")
    monkeypatch.setattr(os, "environ", {**os.environ, "PATH": str(tmp_path / "nothing")})
    with pytest.raises(WrongUsage, match="EDITOR"):
        edited(b"{")


def test_a_file_is_checked_without_a_stack(no_stack: Tenure, tmp_path: Path) -> None:
    file = tmp_path / "message.json"
    file.write_bytes(message())
    assert no_stack("dlq", "validate", str(file)).returncode == 0
    file.write_bytes(message(source=7))
    done = no_stack("dlq", "validate", str(file), "--json")
    assert done.returncode == 4
    assert [json.loads(line)["code"] for line in done.stdout.splitlines()] == [
        "invalid_field",
        "schema",
    ]
    assert no_stack("dlq", "validate", str(file), "--topic", "payment.events").returncode == 3


def test_what_is_typed_wrong(no_stack: Tenure) -> None:
    assert no_stack("dlq", "explain", "key_mismatch").stdout.startswith("key_mismatch: ")
    every = no_stack("dlq", "explain").stdout
    assert all(f"{code}: " in every for code in CODES)
    for action in ("redrive", "discard"):
        done = no_stack("dlq", action, "--who", "Ann")
        assert done.returncode == 2
        assert "Say which" in done.stderr
