"""Sending dead letters back to their service, or settling them without processing."""

import asyncio
import time
from typing import Literal
from uuid import uuid4

from contracts.catalogue import InvalidMessage, decode
from contracts.envelope import Envelope
from contracts.topics import REDRIVE
from ops.connection import Stack
from ops.dead_letters import DeadLetter, Origin, parked
from ops.errors import OpsError, TryAgain
from ops.sending import Headers, sender

Action = Literal["redrive", "discard"]
WAIT_S = 10.0
_POLL_S = 0.1


def checked(content: bytes) -> Envelope:
    """A message as its reader will check it. Raises OpsError with code and sentence."""
    try:
        return decode(content)
    except InvalidMessage as error:
        raise OpsError(f"{error.code}: {error.sentence}") from None


def headers(letter: DeadLetter, action: Action, who: str, why: str | None) -> Headers:
    """What tells the service which dead letter it is, and who decided what."""
    origin = letter.origin
    text = {
        "redrive-topic": letter.headers["dlq-topic"],
        "redrive-partition": str(origin.partition),
        "redrive-offset": str(origin.offset),
        "redrive-action": action,
        "redrive-id": str(uuid4()),
        "redrive-who": who,
        **({"redrive-why": why} if why else {}),
    }
    return [(name, value.encode()) for name, value in text.items()]


async def settle(
    stack: Stack,
    letters: list[DeadLetter],
    action: Action,
    *,
    who: str,
    why: str | None,
    replacement: bytes | None = None,
) -> None:
    """Publish one decision per dead letter and wait until all are settled.

    Raises OpsError for a message that nobody could read, TryAgain when some wait after 10 s.
    """
    async with sender(stack) as to:
        for letter in letters:
            value = letter.value if replacement is None else replacement
            # Redriven under the key that its subject asks for; discarded under the one it had.
            key = checked(value).subject.encode() if action == "redrive" else letter.key
            topic = REDRIVE[letter.origin.service].name
            await to.send(topic, key, value, headers(letter, action, who, why))
    left = await _left(stack, {letter.origin for letter in letters})
    if left:
        names = ", ".join(str(origin) for origin in sorted(left))
        raise TryAgain(
            f"Not settled within {WAIT_S:g} s: {names}. Either its service is down, or the message "
            "is still refused: see the log of the service, and correct it with --file."
        )


async def _left(stack: Stack, origins: set[Origin]) -> set[Origin]:
    """What is still parked after the wait."""
    end = time.monotonic() + WAIT_S
    async with stack.database() as connection:
        while True:
            left = origins & await parked(connection, stack)
            if not left or time.monotonic() > end:
                return left
            await asyncio.sleep(_POLL_S)
