"""`tenure publish`: a message from a file, checked as the reader will check it, then sent."""

import json as jsonlib
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from contracts.catalogue import InvalidMessage, decode
from contracts.envelope import Envelope
from contracts.topics import BILLING_COMMANDS, PAYMENTS_EVENTS, TOPIC_OF
from ops.connection import Stack, find_stack
from ops.errors import NotFound, OpsError
from ops.sending import Place, message_headers, sender
from ops.terminal import emit, run

_OPEN = (PAYMENTS_EVENTS, BILLING_COMMANDS)
_KIB = 1024
MESSAGE_BYTES_MAX = 64 * _KIB
Message = tuple[Envelope, bytes]


def publish(
    file: Annotated[
        str,
        Parameter(help="A JSON message or one per line; - reads stdin.", allow_leading_hyphen=True),
    ],
    /,
    *,
    json: Annotated[bool, Parameter(help="One JSON object per line.")] = False,
) -> None:
    """Check messages as their reader will, then publish them; with any fault nothing is sent."""
    messages = checked(read_file(file))
    for (message, _), place in zip(messages, run(_publish(find_stack(), messages)), strict=True):
        if json:
            emit({"id": message.id, "type": message.type, **asdict(place)})
        else:
            where = f"{place.topic} partition {place.partition} offset {place.offset}"
            sys.stdout.write(f"{message.type} {message.id} -> {where}\n")


def read_file(file: str) -> bytes:
    """The content of a file, or of stdin for `-`. Raises NotFound, OpsError."""
    if file == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except FileNotFoundError:
        raise NotFound(f"There is no file {file}.") from None
    except OSError as error:
        raise OpsError(f"{file} cannot be read: {error.strerror}.") from None


def checked(content: bytes) -> list[Message]:
    """The messages in a file, all valid. Raises OpsError naming code, field and, of many, the line."""
    lines = [(number, line) for number, line in enumerate(content.splitlines(), 1) if line.strip()]
    if not lines:
        raise OpsError("There is no message to publish.")
    if len(lines) == 1 or _is_one_document(content):
        return [_checked(content.strip(), "")]
    return [_checked(line.strip(), f"Line {number}: ") for number, line in lines]


def _is_one_document(content: bytes) -> bool:
    """Whether this is one document over several lines; two documents are not one."""
    try:
        jsonlib.loads(content)
    except ValueError as error:
        return not (isinstance(error, jsonlib.JSONDecodeError) and error.msg == "Extra data")
    return True


def _checked(raw: bytes, where: str) -> Message:
    if len(raw) > MESSAGE_BYTES_MAX:
        broker = ", and Kafka itself refuses more than 1 MiB" if len(raw) > _KIB * _KIB else ""
        raise OpsError(
            f"{where}too_large: The message has {len(raw)} bytes; {MESSAGE_BYTES_MAX} are allowed"
            f"{broker}."
        )
    try:
        message = decode(raw)
    except InvalidMessage as error:
        raise OpsError(f"{where}{error.code}: {error.sentence}") from None
    topic = TOPIC_OF[message.type]
    if topic not in _OPEN:
        names = " and ".join(topic.name for topic in _OPEN)
        raise OpsError(
            f"{where}not_yours: '{message.type}' belongs to {topic.name}, which only "
            f"{topic.writer} writes; publish takes messages for {names}."
        )
    return message, raw


async def _publish(stack: Stack, messages: Sequence[Message]) -> list[Place]:
    async with sender(stack) as to:
        return [
            await to.send(
                TOPIC_OF[message.type].name, message.subject.encode(), raw, message_headers(message)
            )
            for message, raw in messages
        ]
