"""The text of a pack: YAML as its writer means it."""

import json
import re
from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import ConstructorError
from yaml.nodes import MappingNode

_BOOL, _TIME = "tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp"


class _Reader(yaml.SafeLoader):
    """Dates stay text, NO is Norway and no truth value, and no field is given twice."""

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Any, Any]:
        given: set[str] = set()
        for key, _ in node.value:
            if str(key.value) in given:
                raise ConstructorError(
                    problem=f"'{key.value}' is given twice", problem_mark=key.start_mark
                )
            given.add(str(key.value))
        return super().construct_mapping(node, deep=deep)


_Reader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in forms if tag not in (_BOOL, _TIME)]
    for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Reader.add_implicit_resolver(_BOOL, re.compile(r"^(?:true|false)$", re.IGNORECASE), list("tTfF"))


def read_fields(file: Path) -> dict[str, Any]:
    """The fields of a pack as written. Raises ValueError with a sentence when they cannot be read."""
    try:
        fields = yaml.load(file.read_bytes(), Loader=_Reader)
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"not valid YAML: {' '.join(str(error).split())}") from None
    fields = {} if fields is None else fields
    if not isinstance(fields, dict):
        raise ValueError("must be YAML with one field per line such as `grace: P7D`")
    try:
        plain: dict[str, Any] = json.loads(json.dumps(fields))
    except (TypeError, ValueError, RecursionError):
        raise ValueError("must hold plain values and lists only") from None
    return plain
