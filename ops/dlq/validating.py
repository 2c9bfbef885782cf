"""Whether a message would be read: by the reader that services use, and by the published schema."""

import json
import re
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

import jsonschema_rs

from chassis.reading import read, too_far_ahead
from chassis.records import Record
from contracts.schema_files import FOLDER
from contracts.topics import PAYMENTS_EVENTS, TOPIC_OF
from ops.connection import Stack
from ops.dlq.content import parsed, text_field
from ops.work import read_now

_FIELD = re.compile(r"Field '([^']+)'")
_SENTENCE_MAX = 300


@dataclass(frozen=True)
class Fault:
    """What is wrong: a stable code, the field if there is one, a sentence."""

    code: str
    field: str
    sentence: str


def field_of(sentence: str) -> str:
    """The field that a sentence of ours names, `data.amount.minor`, or nothing."""
    found = _FIELD.match(sentence)
    return found[1] if found else ""


def refusal(value: bytes, topic: str, now: datetime) -> Fault | None:
    """Why the reader of a topic would refuse a message sent back; None when it would not.

    What only the decision of the service can say is not known here.
    """
    subject = text_field(parsed(value), "subject")
    one = read(Record(topic, 0, 0, 0, subject.encode(errors="replace"), value))
    problem = one.problem or too_far_ahead(one, now)
    if problem is not None:
        return Fault(problem.code, field_of(problem.sentence), problem.sentence)
    if one.fatal:
        return Fault("unknown_type", "type", one.fatal)
    if topic != PAYMENTS_EVENTS.name and not _is_uuid(subject):
        return Fault("invalid_subject", "subject", "The subject is no id of ours.")
    return None


def faults(value: bytes, topic: str | None, now: datetime) -> list[Fault]:
    """Everything that reader and schema find; `topic` None takes the one that the type belongs to."""
    type_ = text_field(parsed(value), "type")
    home = topic or (TOPIC_OF[type_].name if type_ in TOPIC_OF else PAYMENTS_EVENTS.name)
    refused = refusal(value, home, now)
    return [*([refused] if refused else []), *_schema_faults(value, type_)]


def _schema_faults(value: bytes, type_: str) -> list[Fault]:
    if type_ not in TOPIC_OF:
        return []
    return [
        Fault(
            "schema", ".".join(map(str, error.instance_path)), f"{error.message}."[:_SENTENCE_MAX]
        )
        for error in _validator(type_).iter_errors(parsed(value))
    ]


@cache
def _validator(type_: str) -> Any:
    schema = json.loads((FOLDER / f"{type_}.json").read_text(encoding="utf-8"))
    return jsonschema_rs.validator_for(schema, mask="the value")


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


async def clock(stack: Stack) -> datetime:
    """The instant by which services judge what lies in the future. Raises Unavailable."""
    async with stack.database() as connection:
        return await read_now(connection, virtual=stack.virtual)
