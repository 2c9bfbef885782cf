"""`tenure policy`: the packs of the providers in words, checked and compared; needs no stack."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter
from rich.table import Table

from contracts.policy import Policies, ProviderPolicy
from ops.errors import CheckFailed, NotFound, WrongSetting
from ops.policy_words import WORDS, changes
from ops.terminal import console, emit, safe, suggestion
from policies import (
    NAMES,
    Fault,
    InvalidPolicy,
    load_policies,
    misplaced,
    pack_files,
    read_pack,
)
from policies.fields import FIELDS

# `--version` of `show` names a version of a pack.
app = App(
    name="policy", help="Provider policy packs: list, show, check, compare.", version_flags=[]
)

AsJson = Annotated[bool, Parameter(name="--json", help="One JSON object per line.")]
PackName = Annotated[
    str, Parameter(help="online-store (in force today), online-store@2020-01-01, or a file.")
]


@app.command(name="list")
def list_(*, json: AsJson = False) -> None:
    """List the providers, the versions of their packs, and which are in force today."""
    policies, out = _loaded(), Table(box=None, pad_edge=False, header_style="bold")
    for title in ("provider", "version", "in force", "name"):
        out.add_column(title, no_wrap=True)
    for provider, versions in sorted(policies.packs.items()):
        current = _today(policies, provider)
        for pack in versions:
            if json:
                row = {"provider": provider, "version": pack.version, "name": pack.name}
                emit({**row, "in_force": pack == current})
            else:
                out.add_row(provider, pack.version, "today" if pack == current else "", pack.name)
    if not json:
        console().print(out)


@app.command
def show(
    provider: PackName,
    /,
    *,
    version: Annotated[str | None, Parameter(help="An effective date; default: today's.")] = None,
    json: AsJson = False,
) -> None:
    """Show every field of a pack in words, with the rules that read it."""
    pack = _pack(f"{provider}@{version}" if version else provider)
    values = pack.model_dump(mode="json")
    rows = [
        {
            "field": name,
            "value": values[name],
            "label": words.label,
            "words": words.says(getattr(pack, name)),
            "rules": FIELDS[name].rules,
        }
        for name, words in WORDS.items()
    ]
    if json:
        emit({"provider": pack.provider_id, "version": pack.version, "fields": rows})
        return
    _lines(f"{row['label']}: {row['words']} ({row['rules']})" for row in rows)


@app.command
def check(
    path: Annotated[Path, Parameter(help="A pack, or a folder with packs in it.")],
    /,
    *,
    json: AsJson = False,
) -> None:
    """Check packs and say all that is wrong, with what is allowed; exit 4 when anything is."""
    results = [_checked(file, placed=path.is_dir()) for file in _files(path)]
    for result in results:
        if json:
            emit(result.record())
        else:
            _lines(result.lines())
    faulty = [result for result in results if result.faults]
    if faulty:
        total = sum(len(result.faults) for result in faulty)
        faults, packs = ("fault" if total == 1 else "faults"), len(results)
        raise CheckFailed(f"{total} {faults} in {len(faulty)} of {packs} packs.")


@app.command
def diff(a: PackName, b: PackName, /, *, json: AsJson = False) -> None:
    """Say which behaviours change from pack A to pack B, one sentence per field; nothing when equal."""
    before, after = _pack(a), _pack(b)
    told = changes(before, after)
    if not json:
        _lines(f"{change.sentence} ({change.field})" for change in told)
        return
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    for change in told:
        name = change.field
        emit({"field": name, "old": old[name], "new": new[name], "sentence": change.sentence})


@dataclass(frozen=True)
class Checked:
    """What a check of one file found."""

    file: Path
    pack: ProviderPolicy | None
    faults: tuple[Fault, ...]

    def lines(self) -> list[str]:
        """The result for people."""
        if self.faults or self.pack is None:
            return [str(fault) for fault in self.faults]
        return [f"{self.file}: right ({self.pack.provider_id}, version {self.pack.version})"]

    def record(self) -> dict[str, Any]:
        """The result for programs."""
        faults = [{"field": fault.field, "sentence": fault.sentence} for fault in self.faults]
        return {"file": str(self.file), "right": not faults, "faults": faults}


def _checked(file: Path, *, placed: bool) -> Checked:
    try:
        pack = read_pack(file)
    except InvalidPolicy as wrong:
        return Checked(file, None, wrong.faults)
    # A file by itself may be a draft; a folder is judged as the services read it.
    return Checked(file, pack, tuple(misplaced(file, pack)) if placed else ())


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise NotFound(f"There is no file or folder {path}.")
    if not path.is_dir():
        return [path]
    files = pack_files(path) or sorted(path.glob(NAMES))
    if not files:
        raise NotFound(f"There is no pack in {path}: expected <provider>/<date>.yaml.")
    return files


def _pack(name: str) -> ProviderPolicy:
    """A pack by provider, provider@version or file. Raises NotFound, CheckFailed, WrongSetting."""
    if name.endswith((".yaml", ".yml")):
        return _from_file(Path(name))
    policies, provider, version = _loaded(), name, ""
    if "@" in name and not policies.knows(name):
        provider, _, version = name.rpartition("@")
    if not policies.knows(provider):
        raise NotFound(f"There is no provider '{provider}'.{suggestion(provider, policies.packs)}")
    if not version:
        return _today(policies, provider)
    versions = {pack.version: pack for pack in policies.packs[provider]}
    if version not in versions:
        known = ", ".join(versions)
        raise NotFound(f"There is no version '{version}' of {provider}; there is {known}.")
    return versions[version]


def _from_file(file: Path) -> ProviderPolicy:
    if not file.exists():
        raise NotFound(f"There is no file {file}.")
    try:
        return read_pack(file)
    except InvalidPolicy as wrong:
        raise CheckFailed(str(wrong)) from None


def _loaded() -> Policies:
    try:
        return load_policies()
    except InvalidPolicy as wrong:
        raise WrongSetting(str(wrong)) from None


def _today(policies: Policies, provider: str) -> ProviderPolicy:
    return policies.in_force(provider, datetime.now(UTC))


def _lines(lines: Iterable[str]) -> None:
    for line in lines:
        console().print(safe(line), soft_wrap=True)
