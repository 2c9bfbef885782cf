"""Reading scenario files: YAML whose instants stay text; a mistake names file, line, field and what is allowed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from contracts.policy import Policies
from ops.errors import NotFound, WrongUsage
from ops.scenario.format import Scenario
from ops.terminal import suggestion
from policies import InvalidPolicy, load_policies


class InvalidScenario(WrongUsage):
    """A file is no scenario; the text says where and what is allowed."""


#: libyaml reads ten times faster, where the package has it.
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc]
    """Instants stay text, and a key stands once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping without repeated keys."""
        keys = [key.value for key, _ in node.value]
        repeated = next((key for key in keys if keys.count(key) > 1), None)
        if repeated is not None:
            raise yaml.constructor.ConstructorError(
                None, None, f"'{repeated}' stands here twice", node.start_mark
            )
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        return found


_Loader.yaml_implicit_resolvers = {
    first: [(tag, shape) for tag, shape in found if tag != "tag:yaml.org,2002:timestamp"]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True)
class ScenarioFile:
    """A scenario, where it stands, and the packs that it is judged by."""

    path: Path
    scenario: Scenario
    policies: Policies

    @property
    def own_packs(self) -> bool:
        """Whether it brings its own policy packs."""
        return self.scenario.policies is not None


def find(given: Iterable[str | Path]) -> list[Path]:
    """The files named, and those in the folders named, each once. Raises NotFound."""
    found: dict[Path, None] = {}
    for name in given:
        path = Path(name)
        if path.is_dir():
            files: Sequence[Path] = sorted((*path.rglob("*.yaml"), *path.rglob("*.yml")))
            files = [file for file in files if _is_scenario(file)]
            if not files:
                raise NotFound(f"There is no scenario in the folder {path}.")
        elif path.is_file():
            files = [path]
        else:
            raise NotFound(f"There is no file {path}.{suggestion(path.name, _beside(path))}")
        found.update(dict.fromkeys(files))
    return list(found)


def _beside(path: Path) -> list[str]:
    return [file.name for file in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []


def _is_scenario(file: Path) -> bool:
    """Whether a file in a folder is meant as a scenario: packs lie in folders called after providers."""
    return "steps:" in file.read_text(encoding="utf-8", errors="replace")


def read(path: Path, packs: dict[Path, Policies] | None = None) -> ScenarioFile:
    """Read one file; `packs` keeps what was loaded for the next ones. Raises InvalidScenario."""
    packs = {} if packs is None else packs
    try:
        raw, root = parsed(path.read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        raise InvalidScenario(f"{path}{line}: no valid YAML: {error.problem}.") from None
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise InvalidScenario(f"{path}: cannot be read: {error}") from None
    if root is None or not isinstance(raw, dict):
        raise InvalidScenario(f"{path}:1: a scenario is a mapping with name, shows, rules, steps.")
    try:
        scenario = Scenario.model_validate(raw)
    except ValidationError as error:
        raise InvalidScenario(_explained(path, root, error)) from None
    policies = _policies(path, scenario, packs)
    if not policies.knows(scenario.provider):
        known = sorted(policies.packs)
        raise InvalidScenario(
            f"{path}:{_line(root, ('provider',))}: provider: there is no pack of '{scenario.provider}'; allowed: "
            f"{', '.join(known)}.{suggestion(scenario.provider, known)}"
        )
    _in_order(path, root, scenario)
    return ScenarioFile(path, scenario, policies)


def parsed(text: str) -> tuple[Any, Any]:
    """YAML as plain data, instants as text, and its nodes with their lines. Raises yaml.YAMLError."""
    loader = _Loader(text)
    root = loader.get_single_node()
    return (loader.construct_document(root) if root else None), root


def _policies(path: Path, scenario: Scenario, packs: dict[Path, Policies]) -> Policies:
    own = path.parent / scenario.policies if scenario.policies else Path()
    if own not in packs:
        try:
            packs[own] = load_policies(own) if scenario.policies else load_policies()
        except InvalidPolicy as error:
            raise InvalidScenario(f"{path}: policies: {error}") from None
    return packs[own]


def _in_order(path: Path, root: yaml.Node, scenario: Scenario) -> None:
    start = scenario.start.base
    if start is None:
        raise ValueError("a scenario without a start")
    start = now = scenario.start.at(start, start)
    for number, step in enumerate(scenario.steps):
        at = step.at.at(start, now) if step.at else now
        if at < now:
            line = _line(root, ("steps", number, "at"))
            raise InvalidScenario(
                f"{path}:{line}: steps.{number}.at: '{step.at}' lies before the step before it; "
                "steps stand in the order of time (what comes late has `occurred`)."
            )
        if step.down_since and not now <= step.down_since.at(start, at) < at:
            line = _line(root, ("steps", number, "down_since"))
            raise InvalidScenario(
                f"{path}:{line}: steps.{number}.down_since: '{step.down_since}' must lie before "
                f"this step ('{step.at}') and not before the step before it."
            )
        now = at


def _explained(path: Path, root: yaml.Node, error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    message = str(first["msg"]).removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        message = "this field is not known"
    where = ".".join(str(part) for part in _seen(root, first["loc"]))
    return f"{path}:{_line(root, first['loc'])}: {where or 'the file'}: {message}."


def _walk(root: yaml.Node, place: Iterable[int | str]) -> tuple[yaml.Node, list[int | str]]:
    """The node of a place, and the parts that led there; names of alternatives lead nowhere."""
    node, seen = root, []
    for part in place:
        if isinstance(node, yaml.MappingNode):
            inner = next((v for k, v in node.value if k.value == str(part)), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            inner = node.value[part] if part < len(node.value) else None
        else:
            inner = None
        if inner is not None:
            node = inner
            seen.append(part)
    return node, seen


def _line(root: yaml.Node, place: Iterable[int | str]) -> int:
    return int(_walk(root, place)[0].start_mark.line) + 1


def _seen(root: yaml.Node, place: Sequence[int | str]) -> list[int | str]:
    """The place as the file has it; a field that is missing stands last."""
    _, seen = _walk(root, place)
    missing = place and place[-1] not in seen and isinstance(place[-1], str)
    plain = missing and "[" not in str(place[-1]) and str(place[-1]).isidentifier()
    return [*seen, place[-1]] if plain else seen
