"""What operators decided about dead letters, told on `ops.audit` and read back."""

from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from contracts.audit import DeadLetterDecided
from contracts.catalogue import ENVELOPES
from contracts.envelope import Envelope
from contracts.topics import OPS_AUDIT
from contracts.values import Ref
from ops.asking import SOURCE, build
from ops.broker import Broker
from ops.connection import Stack
from ops.dead_letters import DeadLetter
from ops.dlq.content import parsed, text_field
from ops.records import read_whole
from ops.sending import Outbound, message_headers
from ops.tail_lines import understood

#: Stands for the provider of a message that names none.
NO_PROVIDER = "unknown"


def decided(letter: DeadLetter, id: UUID, now: datetime, **decision: Any) -> Envelope:
    """The message that tells a decision; it names the letter and no content of it.

    Raises WrongUsage for a `who` or `why` that is no line of text.
    """
    data = build(
        DeadLetterDecided,
        **decision,
        consumer=letter.origin.service,
        **{k: v for k, v in asdict(letter.origin).items() if k != "service"},
        message_id=_ref(letter.message_id),
        code=letter.code,
        attempts=letter.attempts,
    )
    return ENVELOPES[data.TYPE](
        specversion="1.0",
        id=str(id),
        source=SOURCE,
        type=data.TYPE,
        subject=str(letter.origin),
        time=now,
        recordedat=datetime.now(UTC),
        dataschema=f"urn:tenure:{data.TYPE}",
        providerid=_ref(text_field(parsed(letter.value), "providerid")) or NO_PROVIDER,
        correlationid=str(id),
        data=data,
    )


def outbound(message: Envelope) -> Outbound:
    """The record of a decision."""
    key = message.subject.encode()
    return Outbound(OPS_AUDIT.name, key, message.to_json(), message_headers(message))


@cache
def _refs() -> TypeAdapter[str]:
    return TypeAdapter(Ref)


def _ref(text: str) -> str | None:
    try:
        return _refs().validate_python(text)
    except ValidationError:
        return None


async def history(stack: Stack) -> list[Envelope]:
    """Every decision that the topic still has, oldest first. Raises Unavailable."""
    async with Broker(stack) as broker:
        partitions = await broker.partitions([stack.topic(OPS_AUDIT.name)])
        records = await read_whole(broker, partitions)
    told = [
        message
        for record in sorted(records, key=lambda each: each.timestamp)
        if (message := understood(record.value)) is not None
        and isinstance(message.data, DeadLetterDecided)
    ]
    return list({message.id: message for message in told}.values())
