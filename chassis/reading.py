"""What a record says, or what is wrong with it."""

import json
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from chassis.errors import ConfigurationError, PoisonMessage
from chassis.records import BYTES_MAX, Incoming, Problem, Record
from contracts.catalogue import MESSAGES, InvalidMessage, decode
from contracts.envelope import OWN_SOURCE, Envelope
from contracts.errors import Impossible
from contracts.topics import BILLING_COMMANDS, PAYMENTS_EVENTS, TOPIC_OF, TOPICS, Topic

_BY_NAME = {topic.name: topic for topic in TOPICS}
#: Topics that others write: unknown types there are dead letters, and a dead letter parks no key.
_FOREIGN = (PAYMENTS_EVENTS.name, BILLING_COMMANDS.name)
#: Clocks of others may be ahead by this much; a wrong time zone shows at once as a dead letter.
FUTURE_MAX = timedelta(minutes=15)
#: An escaped NUL, but not an escaped backslash before the letters u0000.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def read_for(key_of: Callable[[Envelope], UUID], record: Record) -> Incoming:
    """Decode a record and find the row it belongs to.

    Raises ConfigurationError for a topic that is not ours, or a newer major version on one that is.
    """
    topic = _BY_NAME.get(record.topic)
    if topic is None:
        raise ConfigurationError(f"A record came from the unknown topic '{record.topic}'.")
    one = read(record)
    if one.fatal and not record.redriven:
        raise ConfigurationError(one.fatal)
    if one.fatal:
        one.problem = Problem("unknown_type", one.fatal)
    if one.envelope is not None and one.problem is None:
        try:
            one.key = key_of(one.envelope)
        except (PoisonMessage, Impossible) as error:
            one.problem = Problem(error.code, error.sentence)
        except ValueError:
            one.problem = Problem("invalid_field", "Field 'subject' is no id of a subscription.")
    if one.problem and topic.sequenced:
        one.key = _as_id((record.key or b"").decode(errors="replace"))
    return one


def _as_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def read(record: Record) -> Incoming:
    """Decode a record of a topic in the table; on our own topics unknown types are ignored."""
    topic = _BY_NAME[record.topic]
    incoming = Incoming(record, topic)
    if record.value is None and record.key is not None and topic.kept_days is None:
        return incoming  # a tombstone
    problem = _unreadable(record)
    if problem is None and record.value is not None and record.key is not None:
        try:
            incoming.envelope = decode(record.value)
        except InvalidMessage as error:
            problem = Problem(error.code, error.sentence)
            if error.code == "unknown_type" and record.topic not in _FOREIGN:
                problem = _unknown(incoming, str(error.type))
        if incoming.envelope:
            incoming.sha, unclear = _content(incoming.topic, record.value, incoming.envelope)
            if unclear:  # nor can its id be trusted
                incoming.envelope, problem = None, unclear
            else:
                problem = _misplaced(incoming, record.key)
    incoming.problem = problem
    return incoming


def too_far_ahead(incoming: Incoming, now: datetime) -> Problem | None:
    """A message that claims to come from the far future."""
    envelope = incoming.envelope
    if envelope is None or envelope.time <= now + FUTURE_MAX:
        return None
    return Problem("time_in_future", "Field 'time' lies more than 15 minutes ahead of our clock.")


def _unreadable(record: Record) -> Problem | None:
    if record.value is None:
        return Problem("no_value", "The record has no value.")
    if record.key is None:
        return Problem("no_key", "The record has no key; the key must be the envelope's subject.")
    if len(record.value) > BYTES_MAX:
        return Problem("too_large", f"The value has {len(record.value)} bytes; 65536 are allowed.")
    if b"\\u0000" in record.value and _NUL.search(record.value):
        return Problem("invalid_field", "The value contains a NUL character.")
    return None


def _misplaced(incoming: Incoming, key: bytes) -> Problem | None:
    envelope, topic = incoming.envelope, incoming.topic
    if envelope is None:
        return None
    if not incoming.ignored and TOPIC_OF[envelope.type] is not topic:
        expected = TOPIC_OF[envelope.type].name
        return Problem("wrong_topic", f"Messages of this type belong on the topic {expected}.")
    if key != envelope.subject.encode():
        return Problem("key_mismatch", "The record's key differs from the envelope's subject.")
    if topic.sequenced and envelope.sequence is None:
        return Problem("invalid_field", "Field 'sequence' is missing.")
    if topic is PAYMENTS_EVENTS and envelope.source.startswith(OWN_SOURCE):
        # What we say is derived from the ids of our own messages: nobody else may choose them.
        return Problem("invalid_field", f"Field 'source': {OWN_SOURCE} is ours.")
    if envelope.source.startswith(OWN_SOURCE) and _as_id(envelope.id) is None:
        return Problem("invalid_field", "Field 'id': under a source of ours it must be a UUID.")
    return None


def _unknown(incoming: Incoming, type: str) -> Problem | None:
    """An unknown type on a topic of ours comes from a newer writer: its sequence counts, nothing else."""
    name = type.rsplit(".", 1)[0]
    if any(known.rsplit(".", 1)[0] == name for known in MESSAGES):
        incoming.fatal = f"The type '{type}' on {incoming.topic.name} is newer than this service."
        return None
    try:
        incoming.envelope = Envelope.model_validate_json(incoming.record.value or b"")
    except ValidationError:
        return Problem("not_an_envelope", "The value is no CloudEvents envelope.")
    incoming.ignored = True
    return None


class _Unclear(ValueError):
    """JSON that readers may take for different things."""


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Unclear("A field appears twice in one JSON object.")
    return found


def _no_number(name: str) -> Any:
    raise _Unclear(f"The value contains {name}, which is no JSON.")


# Kept, because json.loads and json.dumps with options make a new one for every message.
_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_number)
_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


def _content(topic: Topic, value: bytes, envelope: Envelope) -> tuple[bytes, Problem | None]:
    """The digest that tells one content from another: type, subject, time and canonical data.

    On our own topics it is type and subject: there an id follows from its cause, and what is decided
    again, from a restored database, differs in the instants of deciding only. What came first counts.
    """
    if topic.name not in _FOREIGN:
        return sha256(f"{envelope.type}\n{envelope.subject}".encode()).digest(), None
    try:
        raw = _DECODER.decode(value.decode())
    except _Unclear as error:
        return b"", Problem("not_json", str(error))
    except (ValueError, RecursionError):
        return b"", Problem("not_json", "A number is too long, or the JSON is nested too deeply.")
    data = _canonical(raw["data"])
    time = envelope.time.isoformat()
    return sha256(f"{envelope.type}\n{envelope.subject}\n{time}\n{data}".encode()).digest(), None
