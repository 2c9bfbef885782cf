"""Waiting for a condition: as short as possible, never without end."""

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any

_POLL_S = 0.02


async def eventually(condition: Callable[[], Any], timeout_s: float = 15.0, what: str = "") -> Any:
    """Wait until `condition` (sync or async) gives something true and return that.

    A condition that raises AssertionError is asked again too; its last words, or what it gave last,
    are in the failure.
    """
    end = time.monotonic() + timeout_s
    while True:
        last: object
        try:
            found = condition()
            if inspect.isawaitable(found):
                found = await found
            if found:
                return found
            last = repr(found)
        except AssertionError as error:
            last = error
        if time.monotonic() >= end:
            wanted = what or inspect.getsource(condition).strip()
            raise AssertionError(f"not within {timeout_s:g} s: {wanted}\nat last: {last}")
        await asyncio.sleep(_POLL_S)
