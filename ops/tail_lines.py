"""How one record looks: a readable line, or one JSON object."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from aiokafka import ConsumerRecord
from rich.text import Text

from contracts.catalogue import InvalidMessage, decode
from contracts.envelope import Envelope
from contracts.topics import CUSTOMERS_CONTACTS, PAYMENTS_EVENTS
from ops.masking import masked, masked_json
from ops.phrases import phrase, short, short_type
from ops.terminal import escaped, moment, safe

_PERSONAL = (PAYMENTS_EVENTS.name, CUSTOMERS_CONTACTS.name)
_COLOURS = {
    "payments": "green",
    "billing": "cyan",
    "licensing": "magenta",
    "notifications": "yellow",
    "customers": "blue",
    "ops": "red",
}
_TOPIC_WIDTH = 22
_TYPE_WIDTH = 24
_RAW_SHOWN = 120
#: Business time is shown when it is further than this from the broker's.
_APART = timedelta(minutes=1)


def record_time(record: ConsumerRecord) -> datetime:
    """When the broker took the record, UTC."""
    return datetime.fromtimestamp(record.timestamp / 1000, UTC)


def understood(value: bytes | None) -> Envelope | None:
    """The typed message, None for a tombstone or anything undecodable."""
    try:
        return decode(value) if value is not None else None
    except InvalidMessage:
        return None


def line(record: ConsumerRecord, topic: str, *, unmasked: bool = False) -> Text:
    """One line: broker time, topic, type, subject, and the fields that matter."""
    at = record_time(record)
    message = None if topic.endswith((".dlq", ".redrive")) else understood(record.value)
    text = Text(at.strftime("%H:%M:%S.%f")[:-3], style="dim")
    colour = "red" if topic.endswith(".dlq") else _COLOURS.get(topic.split(".")[0], "white")
    text.append(f"  {topic:<{_TOPIC_WIDTH}}", style=colour)
    if message is None:
        return text.append_text(safe(_raw_words(record, topic, unmasked=unmasked)))
    text.append(f"  {short_type(message.type):<{_TYPE_WIDTH}}", style="bold")
    text.append(f"  {_subject(message.subject):<9}", style="dim")
    data = message.data if unmasked else masked(message.data)
    text.append_text(safe(f" {phrase(data)}"))
    if abs(message.time - at) > _APART:
        text.append(f"  @ {moment(message.time)}", style="dim")
    return text


def _subject(subject: str) -> str:
    """Our ids shortened, the providers' references whole."""
    return short(subject) if len(subject) == 36 else subject


def _raw_words(record: ConsumerRecord, topic: str, *, unmasked: bool) -> str:
    key = _subject((record.key or b"").decode(errors="replace"))
    headers = headers_of(record)
    if topic.endswith(".dlq"):
        origin = f"{headers.get('dlq-topic')}/{headers.get('dlq-partition')}"
        words = f"{headers.get('dlq-code')}: {headers.get('dlq-error')}"
        return f"  {key}  {words} ({origin}/{headers.get('dlq-offset')})"
    if topic.endswith(".redrive"):
        return f"  {key}  {headers.get('redrive-action')} by {headers.get('redrive-who')}"
    if record.value is None:
        return f"  {key}  deleted"
    if topic in _PERSONAL and not unmasked:
        return f"  {key}  not readable, {len(record.value)} bytes (--unmasked shows them)"
    return f"  {key}  not readable: {escaped(record.value[:_RAW_SHOWN])}"


def headers_of(record: ConsumerRecord) -> dict[str, str]:
    """The headers as text."""
    return {name: (value or b"").decode(errors="replace") for name, value in record.headers}


def as_json(record: ConsumerRecord, topic: str, *, unmasked: bool = False) -> Mapping[str, Any]:
    """One record as an object: where it is, when the broker took it, and the message or raw text."""
    place = {
        "topic": topic,
        "partition": record.partition,
        "offset": record.offset,
        "recorded": record_time(record),
        "key": None if record.key is None else record.key.decode(errors="backslashreplace"),
        "headers": headers_of(record),
    }
    if record.value is None:
        return {**place, "message": None}
    # Dead letters of payments.events are as personal as their origin.
    personal = not unmasked and (topic in _PERSONAL or topic.endswith((".dlq", ".redrive")))
    try:
        message = json.loads(record.value)
    except ValueError:
        raw = None if personal else record.value.decode(errors="backslashreplace")
        return {**place, "bytes": len(record.value), "raw": raw}
    return {**place, "message": masked_json(message) if personal else message}
