"""`tenure audit` when the system goes away while it looks."""

import asyncpg
import pytest

from ops import audit_command
from ops.connection import Stack
from ops.errors import Unavailable


async def test_a_database_that_goes_away_is_told_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def cut_off(stack: Stack, given: str | None) -> None:
        raise asyncpg.InterfaceError("the underlying connection is closed")

    monkeypatch.setattr(audit_command, "_judged", cut_off)
    with pytest.raises(Unavailable, match=r"broke off \(the underlying connection is closed\)"):
        await audit_command._audit(Stack({}), None)
