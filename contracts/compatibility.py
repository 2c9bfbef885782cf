"""Refuses edits of a published message that would break a reader or a writer.

`python -m contracts.compatibility [--against <git ref or folder>]` compares the schemas that the
code makes now with a published snapshot. Readers run the present and the previous version, and
topics keep old messages, so both directions count: a value that is no longer accepted breaks what
is already written, and a value that is newly allowed breaks the previous readers, which are strict.
What remains: a new optional field, a new type, other words in a description.
"""

import argparse
import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.schema_files import INDEX, Schema, schemas

ROOT = Path(__file__).parent.parent
PUBLISHED = "contracts/schemas"

_WORDS = {"$schema", "$id", "$defs", "title", "description", "examples"}
_LOWER_BOUNDS = ("minimum", "exclusiveMinimum", "minLength", "minItems")
_UPPER_BOUNDS = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")
_COMPARED = {"type", "format", "nullable", "enum", "properties", "required", "items"}


class NoSnapshot(LookupError):
    """The snapshot to compare with cannot be found; the text says what to give instead."""


@dataclass(frozen=True, slots=True)
class Break:
    """One breaking edit: the message type, the path of the field, and what was done to it."""

    type: str
    path: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.type} {self.path}: {self.what}; {self.remedy}"


def breaks(old: Mapping[str, Schema], new: Mapping[str, Schema]) -> list[Break]:
    """Every breaking edit between two sets of schemas, by type."""
    found: list[Break] = []
    for type_ in sorted(old):
        if type_ not in new:
            remedy = "restore its class: it is still kept in topics and written by others"
            found.append(Break(type_, "(message)", "message type removed", remedy))
            continue
        changes = _changes("", _plain(old[type_], old[type_]), _plain(new[type_], new[type_]))
        remedy = f"leave it as it was, or make it {_next_version(type_)}"
        found += [Break(type_, path, what, remedy) for path, what in changes]
    return found


def _next_version(type_: str) -> str:
    name, _, version = type_.rpartition(".v")
    return f"{name}.v{int(version) + 1}"


def _plain(node: Any, root: Schema) -> Any:
    """The node without words, with references followed and `anyOf [x, null]` told as nullable."""
    if isinstance(node, list):
        return [_plain(item, root) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        name = node["$ref"].removeprefix("#/$defs/")
        return _plain({**root["$defs"][name], **{k: node[k] for k in node if k != "$ref"}}, root)
    if {"type": "null"} in node.get("anyOf", ()):
        rest = [choice for choice in node["anyOf"] if choice != {"type": "null"}]
        others = {key: value for key, value in node.items() if key != "anyOf"}
        merged = rest[0] if len(rest) == 1 else {"anyOf": rest}
        return {**_plain({**others, **merged}, root), "nullable": True}
    plain = {key: _plain(value, root) for key, value in node.items() if key not in _WORDS}
    if "properties" in node:  # a field may be called `title`
        plain["properties"] = {k: _plain(v, root) for k, v in node["properties"].items()}
    if "const" in plain:
        plain["enum"] = [plain.pop("const")]
    return plain


def _changes(path: str, old: Schema, new: Schema) -> Iterator[tuple[str, str]]:
    here = path or "(message)"
    before, after = _kind(old), _kind(new)
    if before != after:
        yield here, f"type changed from {before} to {after}"
        return
    if old.get("nullable", False) != new.get("nullable", False):
        was = "no longer" if old.get("nullable") else "newly"
        yield here, f"null is {was} accepted"
    yield from _choices(here, old, new)
    yield from _bounds(here, old, new)
    yield from _rest(here, old, new)
    yield from _fields(path, old, new)
    if "items" in old and "items" in new:
        yield from _changes(f"{path}[]", old["items"], new["items"])


def _kind(node: Schema) -> str:
    kind = str(node.get("type", "any"))
    return f"{kind} ({node['format']})" if "format" in node else kind


def _choices(path: str, old: Schema, new: Schema) -> Iterator[tuple[str, str]]:
    if "enum" not in old and "enum" not in new:
        return
    if "enum" not in old:
        yield path, f"now only accepts {new['enum']}: messages already written would be refused"
        return
    if "enum" not in new:
        yield path, f"accepts more than {old['enum']}: the previous readers would refuse it"
        return
    for value in (value for value in old["enum"] if value not in new["enum"]):
        yield path, f"value '{value}' removed: messages already written would be refused"
    for value in (value for value in new["enum"] if value not in old["enum"]):
        yield path, f"value '{value}' added: the previous readers would refuse it"


def _bounds(path: str, old: Schema, new: Schema) -> Iterator[tuple[str, str]]:
    for name in (*_LOWER_BOUNDS, *_UPPER_BOUNDS):
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        if before is None or after is None:
            tighter = before is None
        else:
            tighter = (after > before) == (name in _LOWER_BOUNDS)
        what = "tightened" if tighter else "loosened"
        why = (
            "messages already written would be refused"
            if tighter
            else "the previous readers would refuse what it newly allows"
        )
        yield path, f"{name} {what} from {_limit(before)} to {_limit(after)}: {why}"


def _limit(bound: Any) -> str:
    return "no limit" if bound is None else str(bound)


def _rest(path: str, old: Schema, new: Schema) -> Iterator[tuple[str, str]]:
    compared = _COMPARED | set(_LOWER_BOUNDS) | set(_UPPER_BOUNDS)
    for name in sorted((set(old) | set(new)) - compared):
        if old.get(name) != new.get(name):
            yield path, f"{name} changed from {old.get(name)!r} to {new.get(name)!r}"


def _fields(path: str, old: Schema, new: Schema) -> Iterator[tuple[str, str]]:
    before, after = old.get("properties", {}), new.get("properties", {})
    demanded, demands = set(old.get("required", ())), set(new.get("required", ()))
    for name in before:
        field = f"{path}.{name}".lstrip(".")
        if name not in after:
            yield field, "field removed"
            continue
        if name in demands - demanded:
            yield field, "became required: messages already written may lack it"
        if name in demanded - demands:
            yield field, "became optional: the previous readers demand it"
        yield from _changes(field, before[name], after[name])
    for name in after:
        if name not in before and name in demands:
            yield f"{path}.{name}".lstrip("."), "required field added: make it optional"


def from_folder(folder: Path) -> dict[str, Schema]:
    """The schemas kept in a folder. Raises NoSnapshot if there are none."""
    files = [file for file in sorted(folder.glob("*.json")) if file.name != INDEX]
    if not files:
        raise NoSnapshot(f"No schema in {folder}: give a folder of <type>.json files or a git ref.")
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}


def from_git(ref: str, root: Path = ROOT) -> dict[str, Schema]:
    """The schemas committed at a git ref; empty if it has none yet. Raises NoSnapshot for no such ref."""
    if not _git(root, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}"):
        raise NoSnapshot(f"'{ref}' is neither a folder nor a commit of a git clone in {root}.")
    if not _git(root, "ls-tree", "--name-only", ref, f"{PUBLISHED}/"):
        return {}
    found: dict[str, Schema] = {}
    with tarfile.open(fileobj=io.BytesIO(_git(root, "archive", ref, PUBLISHED))) as archive:
        for member in archive:
            name, content = Path(member.name), archive.extractfile(member)
            if content and name.suffix == ".json" and name.name != INDEX:
                found[name.stem] = json.load(content)
    return found


def _git(root: Path, *arguments: str) -> bytes:
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True)
    except FileNotFoundError:
        return b""
    return done.stdout if done.returncode == 0 else b""


def snapshot(against: str | None, root: Path = ROOT) -> tuple[str, dict[str, Schema]]:
    """Where the published schemas were found, and they; by default the latest release. Raises NoSnapshot.

    A message is published with a release, the tag `v*`; before the first one there is nothing to break.
    """
    if against is not None:
        folder = Path(against)
        return against, from_folder(folder) if folder.is_dir() else from_git(against, root)
    release = _git(root, "describe", "--tags", "--abbrev=0", "--match", "v*").decode().strip()
    return (release, from_git(release, root)) if release else ("any release", {})


def main(arguments: list[str] | None = None) -> int:
    """Exit 0 if nothing breaks, 1 with one line per breaking edit, 2 without a snapshot to compare with."""
    parser = argparse.ArgumentParser(prog="python -m contracts.compatibility")
    parser.add_argument(
        "--against", help="git ref or folder (default: the latest release, a tag v*)"
    )
    try:
        where, published = snapshot(parser.parse_args(arguments).against)
    except NoSnapshot as error:
        parser.error(str(error))
    found = breaks(published, schemas())
    sys.stderr.writelines(f"{edit}\n" for edit in found)
    if not published:
        sys.stdout.write(f"No schemas are published with {where} yet: nothing can break.\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
