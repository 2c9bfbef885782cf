"""A published message never changes its meaning: every breaking edit is refused, every other one passes."""

import copy
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contracts import compatibility, schema_files
from contracts.compatibility import NoSnapshot, breaks, from_folder, from_git

PLACED = "payments.order-placed.v1"
PUBLISHED = {PLACED: schema_files.schema_of(PLACED)}
Schema = dict[str, Any]


def plan(schema: Schema) -> Schema:
    definition: Schema = schema["$defs"]["Plan"]
    return definition


def found(edit: Callable[[Schema], Any]) -> list[tuple[str, str]]:
    """What is refused when the published order is edited."""
    new = copy.deepcopy(PUBLISHED)
    edit(new[PLACED])
    return [(edit.path, edit.what) for edit in breaks(PUBLISHED, new)]


def field(name: str, **changes: Any) -> Callable[[Schema], Any]:
    return lambda schema: plan(schema)["properties"][name].update(changes)


def drop(keyword: str, name: str) -> Callable[[Schema], Any]:
    return lambda schema: plan(schema)["properties"][name].pop(keyword)


def demand(name: str) -> Callable[[Schema], Any]:
    return lambda schema: schema["required"].append(name)


def add(**properties: Schema) -> Callable[[Schema], Any]:
    return lambda schema: plan(schema)["properties"].update(properties)


def add_required(schema: Schema) -> None:
    add(colour={"type": "string"})(schema)
    plan(schema)["required"].append("colour")


def enum(*values: str) -> Callable[[Schema], Any]:
    return field("product_type", enum=list(values))


def unnull(schema: Schema) -> None:
    schema["properties"]["recordedat"] = schema["properties"]["recordedat"]["anyOf"][0]


WRITTEN = "messages already written would be refused"
PREVIOUS = "the previous readers would refuse"
BREAKING = {
    "field removed": (
        lambda schema: plan(schema)["properties"].pop("seats"),
        ("data.plan.seats", "field removed"),
    ),
    "required field added": (
        add_required,
        ("data.plan.colour", "required field added: make it optional"),
    ),
    "field became required": (
        demand("recordedat"),
        ("recordedat", "became required: messages already written may lack it"),
    ),
    "field became optional": (
        lambda schema: plan(schema)["required"].remove("seats"),
        ("data.plan.seats", "became optional: the previous readers demand it"),
    ),
    "type changed": (
        field("seats", type="string"),
        ("data.plan.seats", "type changed from integer to string"),
    ),
    "format changed": (
        lambda schema: schema["properties"]["time"].update(format="date"),
        ("time", "type changed from string (date-time) to string (date)"),
    ),
    "null refused": (unnull, ("recordedat", "null is no longer accepted")),
    "value removed": (
        enum("update"),
        ("data.plan.product_type", f"value 'update-and-protection' removed: {WRITTEN}"),
    ),
    "value added": (
        enum("update", "update-and-protection", "backup"),
        ("data.plan.product_type", f"value 'backup' added: {PREVIOUS} it"),
    ),
    "constant changed": (
        lambda schema: schema["properties"]["specversion"].update(const="2.0"),
        ("specversion", f"value '1.0' removed: {WRITTEN}"),
    ),
    "values opened": (
        drop("enum", "product_type"),
        (
            "data.plan.product_type",
            f"accepts more than ['update', 'update-and-protection']: {PREVIOUS} it",
        ),
    ),
    "values closed": (
        field("product_id", enum=["a"]),
        ("data.plan.product_id", f"now only accepts ['a']: {WRITTEN}"),
    ),
    "maximum tightened": (
        field("seats", maximum=10),
        ("data.plan.seats", f"maximum tightened from 100000 to 10: {WRITTEN}"),
    ),
    "minimum tightened": (
        field("seats", minimum=2),
        ("data.plan.seats", f"minimum tightened from 1 to 2: {WRITTEN}"),
    ),
    "bound added": (
        field("term", maxLength=9),
        ("data.plan.term", f"maxLength tightened from no limit to 9: {WRITTEN}"),
    ),
    "maximum loosened": (
        field("seats", maximum=10**6),
        (
            "data.plan.seats",
            f"maximum loosened from 100000 to 1000000: {PREVIOUS} what it newly allows",
        ),
    ),
    "bound removed": (
        drop("maxLength", "product_id"),
        (
            "data.plan.product_id",
            f"maxLength loosened from 128 to no limit: {PREVIOUS} what it newly allows",
        ),
    ),
    "pattern changed": (
        field("product_id", pattern="^[a-z]+$"),
        ("data.plan.product_id", "pattern changed from '^[!-~]+$' to '^[a-z]+$'"),
    ),
    "default changed": (
        field("seats", default=1),
        ("data.plan.seats", "default changed from None to 1"),
    ),
    "unknown fields refused": (
        lambda schema: plan(schema).update(additionalProperties=False),
        ("data.plan", "additionalProperties changed from None to False"),
    ),
}


@pytest.mark.parametrize(("edit", "what"), BREAKING.values(), ids=BREAKING)
def test_a_breaking_edit_is_refused(edit: Callable[[Schema], Any], what: tuple[str, str]) -> None:
    assert what in found(edit)


def test_an_edit_inside_a_list_is_found() -> None:
    type_ = "licensing.entitlement.v1"
    old = {type_: schema_files.schema_of(type_)}
    new = copy.deepcopy(old)
    new[type_]["$defs"]["ScheduledStage"]["properties"].pop("state")
    assert [edit.path for edit in breaks(old, new)] == ["data.schedule[].state"]


COMPATIBLE: dict[str, Callable[[Schema], Any]] = {
    "nothing": lambda schema: None,
    "optional field": add(colour={"type": "string"}),
    "optional field with a required one inside": add(
        colour={"type": "object", "properties": {"code": {}}, "required": ["code"]}
    ),
    "other words": field("seats", description="How many devices.", title="Seats"),
    "a field called title": add(title={"type": "string"}),
    "a definition renamed": lambda schema: (
        schema["$defs"].update(Offer=schema["$defs"].pop("Plan")),
        schema["$defs"]["OrderPlaced"]["properties"].update(plan={"$ref": "#/$defs/Offer"}),
    ),
}


@pytest.mark.parametrize("edit", COMPATIBLE.values(), ids=COMPATIBLE)
def test_a_compatible_edit_passes(edit: Callable[[Schema], Any]) -> None:
    assert found(edit) == []


def test_a_new_type_passes_and_a_removed_one_is_refused() -> None:
    both = {**PUBLISHED, "payments.order-moved.v1": {}}
    assert breaks(PUBLISHED, both) == []
    (removed,) = breaks(both, PUBLISHED)
    assert str(removed).startswith(
        "payments.order-moved.v1 (message): message type removed; restore"
    )


def test_a_line_names_type_path_edit_and_what_to_do() -> None:
    new = copy.deepcopy(PUBLISHED)
    del plan(new[PLACED])["properties"]["seats"]
    assert str(breaks(PUBLISHED, new)[0]) == (
        "payments.order-placed.v1 data.plan.seats: field removed; "
        "leave it as it was, or make it payments.order-placed.v2"
    )


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=Kim", "-c", "user.email=kim@example.com")
    subprocess.run(
        ["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True
    )


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A repository whose HEAD publishes one type that the code does not know, and its parent none."""
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "empty")
    folder = tmp_path / compatibility.PUBLISHED
    folder.mkdir(parents=True)
    (folder / "payments.order-moved.v1.json").write_text(json.dumps(PUBLISHED[PLACED]))
    (folder / schema_files.INDEX).write_text("{}")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "publish")
    return tmp_path


def test_the_snapshot_is_read_from_a_commit(clone: Path) -> None:
    assert list(from_git("HEAD", clone)) == ["payments.order-moved.v1"]
    assert from_git("HEAD~1", clone) == {}
    assert compatibility.snapshot(None, clone) == ("any release", {})
    git(clone, "tag", "v0.1.0")
    git(clone, "commit", "-q", "--allow-empty", "-m", "later")
    where, published = compatibility.snapshot(None, clone)
    assert (where, list(published)) == ("v0.1.0", ["payments.order-moved.v1"])
    with pytest.raises(NoSnapshot, match="'nowhere' is neither a folder nor a commit"):
        from_git("nowhere", clone)


def test_without_a_clone_there_is_no_snapshot(tmp_path: Path) -> None:
    with pytest.raises(NoSnapshot, match="git clone"):
        compatibility.snapshot("HEAD", tmp_path)


def test_a_folder_without_schemas_is_no_snapshot(tmp_path: Path) -> None:
    with pytest.raises(NoSnapshot, match="No schema in"):
        from_folder(tmp_path)


def test_the_command_exits_0_1_or_2(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compatibility.main(["--against", str(schema_files.FOLDER)]) == 0
    assert capsys.readouterr() == ("", "")
    assert compatibility.main(["--against", str(clone / compatibility.PUBLISHED)]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
    with pytest.raises(SystemExit) as stopped:
        compatibility.main(["--against", "no-such-ref"])
    assert stopped.value.code == 2
