"""The schemas of the stack and the roles that work in them."""

from dataclasses import dataclass
from pathlib import Path

from chassis.errors import ConfigurationError
from chassis.migrations import Schema, migrate, service_schema, verify
from contracts.topics import SERVICES
from ops.connection import Stack
from ops.errors import WrongSetting

_ROOT = Path(__file__).resolve().parent.parent
_SIMULATOR_ROLE = "tenure_simulator"


@dataclass(frozen=True)
class SchemaState:
    """One schema; `trouble` is empty when it is as this version needs it."""

    name: str
    trouble: str


def schemas(*, simulator: bool = False) -> list[Schema]:
    """All schemas in the order of their migration; the simulator's only in a local stack."""
    roles = (*(f"tenure_{service}" for service in SERVICES), _SIMULATOR_ROLE)
    found = [Schema("ops", (Path(__file__).parent / "sql",), "tenure_ops", roles)]
    found += [service_schema(name, _ROOT / "services" / name / "sql") for name in SERVICES]
    if simulator:
        found.append(Schema("simulator", (_ROOT / "devstack" / "sql",), _SIMULATOR_ROLE))
    return found


async def migrate_all(dsn: str, *, simulator: bool = False) -> int:
    """Apply what is missing as the migrator; how many files. Raises WrongSetting."""
    try:
        return await migrate(dsn, schemas(simulator=simulator))
    except ConfigurationError as error:
        raise WrongSetting(str(error)) from None


async def states(stack: Stack) -> list[SchemaState]:
    """What each schema lacks, if anything. Raises Unavailable."""
    found = []
    async with stack.database("MIGRATOR") as connection:
        for schema in schemas():
            try:
                await verify(connection, schema)
            except ConfigurationError as error:
                found.append(SchemaState(schema.name, str(error)))
            else:
                found.append(SchemaState(schema.name, ""))
    return found
