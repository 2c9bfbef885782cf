"""docs/rules.md: each rule in a sentence, where it is decided, and the scenarios that show it.

`python -m ops.rules_page [check|write]`. The sentences come from docs/rules.yaml, the places from the
docstrings that name the rule, the scenarios from the files under tests/scenarios. A rule that is not
marked as coming needs at least one of each; a transition (T1) or settled question (Q1), a scenario.
"""

import argparse
import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
PAGE = "docs/rules.md"
MEND = "python -m ops.rules_page write"
#: Where rules are decided; whoever only shows a decision names no rule.
DECIDING = ("contracts", "ledger", "policies", "services")
_RULE = re.compile(r"\b(?:S-\d+[a-e]?|Q\d+|T\d+)\b")
_SPAN = re.compile(r"\b([SQT])-?(\d+) to \1-?(\d+)\b")


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of the product documents, a transition or a settled question; `comes_with` says what it waits for."""

    id: str
    sentence: str
    comes_with: str | None

    @property
    def from_documents(self) -> bool:
        """Whether it stands in the product documents; transitions and questions say more about those."""
        return self.id.startswith("S-")


def rules(root: Path = ROOT) -> list[Rule]:
    """The rules in the order of docs/rules.yaml."""
    told = yaml.safe_load((root / "docs/rules.yaml").read_text(encoding="utf-8"))
    return [Rule(id, row["rule"], row.get("comes_with")) for id, row in told.items()]


def named(text: str) -> set[str]:
    """The ids that a text names; `S-37 to S-39` names three."""
    found = set(_RULE.findall(text))
    for kind, first, last in _SPAN.findall(text):
        dash = "-" if kind == "S" else ""
        found |= {
            f"{kind}{dash}{number:02}" if dash else f"{kind}{number}"
            for number in range(int(first), int(last) + 1)
        }
    return found


def places(root: Path = ROOT) -> dict[str, list[str]]:
    """By rule: the functions, classes and modules whose docstring or comments of fields name it."""
    found: dict[str, list[str]] = defaultdict(list)
    for folder in DECIDING:
        for file in sorted((root / folder).rglob("*.py")):
            for name, text in _documented(file.read_text(encoding="utf-8")):
                place = f"{file.relative_to(root)}:{name}" if name else str(file.relative_to(root))
                for rule in named(text):
                    found[rule].append(place)
    return found


def _documented(source: str) -> Iterator[tuple[str, str]]:
    """Name and text of every docstring, and of every class body with the comments of its fields."""
    lines = source.splitlines()
    tree = ast.parse(source)
    yield "", ast.get_docstring(tree) or ""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, ast.get_docstring(node) or ""
        elif isinstance(node, ast.ClassDef):
            body = lines[node.lineno - 1 : node.end_lineno]
            comments = (line for line in body if line.lstrip().startswith("#:"))
            yield node.name, "\n".join((ast.get_docstring(node) or "", *comments))


def scenarios(root: Path = ROOT) -> dict[str, list[str]]:
    """By rule: the scenario files that say they show it."""
    found: dict[str, list[str]] = defaultdict(list)
    for file in sorted((root / "tests/scenarios").rglob("*.yaml")):
        told: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
        for rule in told.get("rules", ()) if isinstance(told, dict) else ():
            found[rule].append(str(file.relative_to(root)))
    return found


def page(told: list[Rule], decided: Mapping[str, list[str]], shown: Mapping[str, list[str]]) -> str:
    """The whole page as Markdown."""
    documented = [rule for rule in told if rule.from_documents]
    others = [rule for rule in told if not rule.from_documents]
    done = [rule for rule in documented if not rule.comes_with]
    lines = [
        "# The rules",
        "",
        f"Made by `{MEND}`; edit `docs/rules.yaml`, a docstring or a scenario instead.",
        f"{len(done)} of {len(documented)} rules are built, the others come with their own work.",
        "",
        *_table(documented, decided, shown),
        "",
        "## Transitions and settled questions",
        "",
        "What leads from one state to the next (T), and what the product documents leave open (Q).",
        "",
        *_table(others, decided, shown),
    ]
    return "\n".join(lines) + "\n"


def _table(
    told: list[Rule], decided: Mapping[str, list[str]], shown: Mapping[str, list[str]]
) -> list[str]:
    lines = ["| rule | in a sentence | decided in | shown by |", "|---|---|---|---|"]
    for rule in told:
        if rule.comes_with:
            lines.append(f"| {rule.id} | {rule.sentence} | comes with {rule.comes_with} | |")
        else:
            where = "<br>".join(f"`{place}`" for place in decided.get(rule.id, ()))
            lines.append(f"| {rule.id} | {rule.sentence} | {where} | {_files(shown, rule.id)} |")
    return lines


def _files(shown: Mapping[str, list[str]], rule: str) -> str:
    return "<br>".join(f"[{Path(file).stem}](../{file})" for file in shown.get(rule, ()))


def gaps(
    told: list[Rule], decided: Mapping[str, list[str]], shown: Mapping[str, list[str]]
) -> list[str]:
    """One line for each built rule without a place or a scenario, and for each unknown rule."""
    known = {rule.id for rule in told}
    found = []
    for rule in told:
        if rule.from_documents and not rule.comes_with and not decided.get(rule.id):
            found.append(f"{rule.id}: no docstring under {', '.join(DECIDING)} names it")
        if not rule.comes_with and not shown.get(rule.id):
            found.append(f"{rule.id}: no scenario under tests/scenarios shows it")
    for id in sorted({*decided, *shown} - known):
        if _RULE.fullmatch(id):
            found.append(
                f"{id}: named in {[*decided.get(id, ()), *shown.get(id, ())][0]}, not in docs/rules.yaml"
            )
    return found


def main(arguments: list[str] | None = None) -> int:
    """Exit 0, or 1 with one line per gap or when the page is stale."""
    parser = argparse.ArgumentParser(prog="python -m ops.rules_page")
    parser.add_argument("action", choices=("check", "write"), nargs="?", default="check")
    action = parser.parse_args(arguments).action
    told, decided, shown = rules(), places(), scenarios()
    text, file = page(told, decided, shown), ROOT / PAGE
    if action == "write":
        file.write_text(text, encoding="utf-8")
    problems = gaps(told, decided, shown)
    if not file.exists() or file.read_text(encoding="utf-8") != text:
        problems.append(f"{PAGE} is stale: run {MEND}")
    sys.stderr.writelines(f"{problem}\n" for problem in problems)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
