"""Gathering what the cross-check judges: every topic from its beginning, and the mails as held."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime

from aiokafka import ConsumerRecord

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
    async with Broker(stack) as broker:
        letters = [stack.topic(topic.name) for topic in DEAD_LETTERS.values()]
        ends = await broker.ends(await broker.partitions(letters))
        partitions = await broker.partitions([stack.topic(topic.name) for topic in _READ])
        records = await read_whole(broker, partitions)
    return evidence_of(stack, records, Counter(message_ids), sum(ends.values()), now)


def evidence_of(
    stack: Stack,
    records: Iterable[ConsumerRecord],
    mail_copies: Counter[str],
    dead_letters: int,
    now: datetime,
) -> Evidence:
    """The evidence in records of any topics, as they were read."""
    told: dict[str, dict[tuple[str, str], Envelope]] = defaultdict(dict)
    for record in records:
        message = understood(record.value)
        if message is not None:
            # At its first place only: topics hold at least one copy.
            topic = stack.plain_topic(record.topic)
            told[topic].setdefault((message.source, message.id), message)
    cached = {
        message.subject: message.data
        for message in told[LICENSING_ENTITLEMENTS.name].values()
        if isinstance(message.data, licensing.Entitlement)
    }
    return Evidence(
        upstream=[*told[PAYMENTS_EVENTS.name].values()],
        requests=[*told[PAYMENTS_REQUESTS.name].values()],
        billing=[*told[BILLING_EVENTS.name].values()],
        licensing=[*told[LICENSING_EVENTS.name].values()],
        entitlements=cached,
        notifications=[*told[NOTIFICATIONS_EVENTS.name].values()],
        mail_copies=mail_copies,
        dead_letters=dead_letters,
        now=now,
    )
