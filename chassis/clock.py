"""The clock of decisions: real, or the one row of `ops.clock` that tests and the demo move."""

from datetime import UTC, datetime
from typing import Literal

from chassis.postgres import Connection

CHANNEL = "tenure_clock"


class Clock:
    """Gives `now` inside a transaction; a virtual one is never cached."""

    def __init__(self, kind: Literal["real", "virtual"]) -> None:
        self.virtual = kind == "virtual"

    async def now(self, connection: Connection) -> datetime:
        """The present instant in UTC."""
        if not self.virtual:
            return datetime.now(UTC)
        now: datetime = await connection.fetchval("select now from ops.clock")
        return now.astimezone(UTC)
