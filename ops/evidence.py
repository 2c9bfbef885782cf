"""Gathering what the cross-check judges: every topic from its beginning, and the mails as held."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from contracts import licensing
from contracts.envelope import Envelope
from contracts.topics import (
    BILLING_EVENTS,
    DEAD_LETTERS,
    LICENSING_ENTITLEMENTS,
    LICENSING_EVENTS,
    NOTIFICATIONS_EVENTS,
    PAYMENTS_EVENTS,
    PAYMENTS_REQUESTS,
)
from ops.broker import Broker
from ops.connection import Stack
from ops.cross_check import Evidence
from ops.records import read_whole
from ops.tail_lines import understood

_READ = (
    PAYMENTS_EVENTS,
    PAYMENTS_REQUESTS,
    BILLING_EVENTS,
    LICENSING_EVENTS,
    LICENSING_ENTITLEMENTS,
    NOTIFICATIONS_EVENTS,
)


async def gather(stack: Stack, message_ids: Iterable[str], now: datetime) -> Evidence:
    """Read all topics up to their present ends. Raises Unavailable."""
    told: dict[str, list[Envelope]] = {}
    async with Broker(stack) as broker:
        for topic in _READ:
            partitions = await broker.partitions([stack.topic(topic.name)])
            records = await read_whole(broker, partitions)
            told[topic.name] = _once(understood(record.value) for record in records)
        letters = [stack.topic(topic.name) for topic in DEAD_LETTERS.values()]
        ends = await broker.ends(await broker.partitions(letters))
    cached = {
        message.subject: message.data
        for message in told[LICENSING_ENTITLEMENTS.name]
        if isinstance(message.data, licensing.Entitlement)
    }
    return Evidence(
        upstream=told[PAYMENTS_EVENTS.name],
        requests=told[PAYMENTS_REQUESTS.name],
        billing=told[BILLING_EVENTS.name],
        licensing=told[LICENSING_EVENTS.name],
        entitlements=cached,
        notifications=told[NOTIFICATIONS_EVENTS.name],
        mail_copies=Counter(message_ids),
        dead_letters=sum(ends.values()),
        now=now,
    )


def _once(messages: Iterable[Envelope | None]) -> list[Envelope]:
    """Each message once, at its first place: topics hold at least one copy."""
    found: dict[tuple[str, str], Envelope] = {}
    for message in messages:
        if message is not None:
            found.setdefault((message.source, message.id), message)
    return list(found.values())
