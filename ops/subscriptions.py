"""Which subscription an operator means: by id, by the provider's reference, or by both."""

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from contracts.values import subscription_id
from ops.connection import Stack
from ops.errors import NotFound
from ops.terminal import suggestion

if TYPE_CHECKING:
    import asyncpg

_SUGGESTED_FROM = 10_000
_BY_ID = """
select subscription_id, provider_id, reference from billing.read_subscriptions
where subscription_id = $1
"""
_BY_REFERENCE = """
select subscription_id, provider_id, reference from billing.read_subscriptions
where reference = $1
"""
_SOME = """
select subscription_id, provider_id, reference from billing.read_subscriptions
where reference is not null limit $1
"""


@dataclass(frozen=True)
class Known:
    """A subscription by its three names."""

    id: UUID
    provider_id: str
    reference: str


async def find_subscription(connection: "asyncpg.Connection", given: str) -> Known:
    """The subscription called `given`: its id, `R-1001`, or `online-store/R-1001`.

    Raises NotFound with a suggestion when there is none or more than one.
    """
    found = await _matches(connection, given)
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(f"{known.provider_id}/{known.reference}" for known in found)
        raise NotFound(f"Several subscriptions are called '{given}': say which of {names}.")
    names_known = await _some_names(connection)
    raise NotFound(f"No subscription '{given}' is known.{suggestion(given, names_known)}")


async def find_in_stack(stack: Stack, given: str) -> Known:
    """The same, with a connection of its own."""
    async with stack.database() as connection:
        return await find_subscription(connection, given)


async def _matches(connection: "asyncpg.Connection", given: str) -> list[Known]:
    try:
        return _known(await connection.fetch(_BY_ID, UUID(given)))
    except ValueError:
        pass
    provider, _, reference = given.partition("/")
    if reference:
        rows = await connection.fetch(_BY_ID, subscription_id(provider, reference))
        if rows:
            return _known(rows)
    return _known(await connection.fetch(_BY_REFERENCE, given))


def _known(rows: "list[asyncpg.Record]") -> list[Known]:
    return [
        Known(row["subscription_id"], row["provider_id"], row["reference"])
        for row in rows
        if row["reference"] is not None
    ]


async def _some_names(connection: "asyncpg.Connection") -> set[str]:
    rows = _known(await connection.fetch(_SOME, _SUGGESTED_FROM))
    return {
        name
        for known in rows
        for name in (known.reference, f"{known.provider_id}/{known.reference}", str(known.id))
    }
