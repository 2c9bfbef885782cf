"""PostgreSQL: pools, and which of its errors mean what."""

from typing import TYPE_CHECKING, TypeAlias

import asyncpg

from chassis.errors import PoisonMessage, TransientError
from contracts.errors import Impossible

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

#: A connection of its own or one from a pool.
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"
#: Classes that one message's data caused.
_POISON = ("22", "23")


async def open_pool(dsn: str, service: str, purpose: str, size: int = 3) -> asyncpg.Pool:
    """A small pool whose statements are bounded in time; sessions show who they are."""
    return await asyncpg.create_pool(
        dsn,
        min_size=1,
        max_size=size,
        command_timeout=60,
        server_settings={
            "application_name": f"tenure.{service}.{purpose}",
            "search_path": service,
            "statement_timeout": "60s",
            "lock_timeout": "30s",
            "idle_in_transaction_session_timeout": "60s",
        },
        # What a session would be reset from is never done on these: all work is in transactions.
        reset=_keep,
    )


async def _keep(connection: asyncpg.Connection) -> None:
    """Leave the session as it is; asyncpg has ended its transaction."""


def transient_errors() -> tuple[type[BaseException], ...]:
    """What means that the database is away for a while, or that somebody was quicker."""
    return (
        TransientError,
        asyncpg.PostgresConnectionError,
        asyncpg.InterfaceError,
        asyncpg.TransactionRollbackError,
        asyncpg.InsufficientResourcesError,
        asyncpg.OperatorInterventionError,
        asyncpg.LockNotAvailableError,
        asyncpg.ReadOnlySQLTransactionError,
        # The password is being rotated, or the database restored: only a new session meets these.
        asyncpg.InvalidAuthorizationSpecificationError,
        asyncpg.InvalidCatalogNameError,
        asyncpg.UniqueViolationError,
        asyncpg.InternalClientError,
        OSError,
        TimeoutError,
    )


def is_transient(error: BaseException) -> bool:
    """Whether the same work, done again later, may succeed."""
    return isinstance(error, transient_errors())


def is_poison(error: BaseException) -> bool:
    """Whether this one message caused the error, so that trying again would not help."""
    if isinstance(error, PoisonMessage | Impossible):
        return True
    if isinstance(error, asyncpg.PostgresError):
        return str(error.sqlstate or "")[:2] in _POISON
    return False
