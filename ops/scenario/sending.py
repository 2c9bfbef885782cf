"""Steps become records: what upstream publishes and what is asked for, ready for Kafka or a queue."""

import json
from dataclasses import dataclass
from typing import Any
from uuid import uuid5

from contracts.envelope import OWN_SOURCE
from contracts.topics import BILLING_COMMANDS, PAYMENTS_EVENTS
from devstack.behaviour import event, instant
from ops.scenario.commands import Command, EraseCustomer
from ops.scenario.format import Step
from ops.scenario.play import Play
from ops.scenario.upstream import Upstream


@dataclass(frozen=True, slots=True)
class Letter:
    """One record: topic, key and value."""

    topic: str
    key: str
    value: bytes


def letters(play: Play, number: int, step: Step) -> list[Letter]:
    """What a step publishes at `play.now`, repetitions included. Raises StoryError."""
    if step.upstream:
        return _upstream(play, number, step.upstream)
    if step.command:
        return _command(play, number, step.command)
    return []


def _upstream(play: Play, number: int, given: Upstream) -> list[Letter]:
    """An event exactly as a payment system writes it, checked by nobody but its readers."""
    at = play.at(given.occurred) if given.occurred else play.now
    id = play.sent[number] = f"{play.reference}-{given.id or f'step-{number}'}"
    provider = given.provider or play.scenario.provider
    data = given.data(play)
    message = event(provider, play.reference, id, given.KIND.TYPE, at, data)
    return [Letter(PAYMENTS_EVENTS.name, play.reference, _bytes(message))] * given.repeat


def _command(play: Play, number: int, given: Command) -> list[Letter]:
    data = given.data(play)
    id = play.sent[number] = str(uuid5(play.id, given.id or f"step {number}"))
    subject = data["customer_id"] if isinstance(given, EraseCustomer) else str(play.id)
    message = {
        "specversion": "1.0",
        "id": id,
        "source": f"{OWN_SOURCE}ops",
        "type": given.KIND.TYPE,
        "subject": subject,
        "time": instant(play.now),
        "providerid": play.scenario.provider,
        "data": data,
    }
    return [Letter(BILLING_COMMANDS.name, subject, _bytes(message))] * given.repeat


def _bytes(message: dict[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()
