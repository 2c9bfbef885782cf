"""Provider policy packs, one file per provider and effective date, and how they are read."""

import json
from pathlib import Path

import yaml
from pydantic import ValidationError

from contracts.errors import Misconfigured
from contracts.policy import Policies, ProviderPolicy

FOLDER = Path(__file__).parent


class InvalidPolicy(Misconfigured):
    """A pack is wrong; the text names the file, the field and what is allowed."""


def load_policies(folder: Path = FOLDER) -> Policies:
    """Read every `<provider>/<effective-date>.yaml` under `folder`. Raises InvalidPolicy."""
    packs: dict[str, tuple[ProviderPolicy, ...]] = {}
    for file in sorted(folder.glob("*/*.yaml")):
        pack = read_pack(file)
        packs[pack.provider_id] = (*packs.get(pack.provider_id, ()), pack)
    if not packs:
        raise InvalidPolicy(
            f"No policy pack found under {folder}: expected <provider>/<date>.yaml."
        )
    return Policies(packs)


def read_pack(file: Path) -> ProviderPolicy:
    """Read one pack; its folder and name must say what it says. Raises InvalidPolicy."""
    try:
        raw = yaml.safe_load(file.read_text())
        pack = ProviderPolicy.model_validate_json(json.dumps(raw, default=str))
    except yaml.YAMLError as error:
        raise InvalidPolicy(f"{file}: not valid YAML: {error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InvalidPolicy(f"{file}: field '{field}': {first['msg']}") from None
    unknown = sorted(set(raw) - set(ProviderPolicy.model_fields))
    if unknown:
        raise InvalidPolicy(f"{file}: unknown field '{unknown[0]}'")
    if (file.parent.name, file.stem) != (pack.provider_id, pack.version):
        raise InvalidPolicy(f"{file}: must be named {pack.provider_id}/{pack.version}.yaml")
    return pack
