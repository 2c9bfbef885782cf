"""Gathering dossiers: one snapshot of the databases, the topics up to what it knows, page by page.

The order makes the picture consistent while everything runs: committed offsets first (what lies
before them is in the snapshot), then the snapshot, then the topics to their ends; what was told
after the snapshot is left out by its number.
"""

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from contracts.catalogue import InvalidMessage, decode
from contracts.envelope import Envelope
from contracts.policy import Policies
from contracts.topics import (
    BILLING_EVENTS,
    DEAD_LETTERS,
    LICENSING_ENTITLEMENTS,
    LICENSING_EVENTS,
    NOTIFICATIONS_EVENTS,
    PAYMENTS_EVENTS,
    PAYMENTS_REQUESTS,
    SERVICES,
    TOPICS,
)
from ops.audit.dossier import Dossier
from ops.audit.spool import Spool
from ops.audit.states import State, after, read_states
from ops.broker import Broker, Offsets
from ops.connection import Stack
from ops.dead_letters import count_parked
from ops.offsets import GroupOffsets
from ops.records import read_to
from ops.work import read_now

if TYPE_CHECKING:
    import asyncpg

#: Subscriptions that are held in memory at a time.
PAGE = 500
_SPOOLED = (
    PAYMENTS_EVENTS,
    PAYMENTS_REQUESTS,
    BILLING_EVENTS,
    LICENSING_EVENTS,
    LICENSING_ENTITLEMENTS,
    NOTIFICATIONS_EVENTS,
    DEAD_LETTERS["billing"],
)
_WRITER = {topic.name: topic.writer for topic in TOPICS if topic.writer in SERVICES}
_FIRST, _LAST = UUID(int=0), UUID(int=2**128 - 1)
#: Told how many records of how many were read.
OnRead = Callable[[int, int], None]


@dataclass(frozen=True)
class Look:
    """One consistent picture of the system; `dossiers` may be walked once."""

    now: datetime
    dead_letters: Mapping[str, int]
    #: Subscriptions that the databases know.
    subscriptions: int
    dossiers: AsyncIterator[Dossier]


@asynccontextmanager
async def look(
    stack: Stack,
    policies: Policies,
    *,
    only: Collection[UUID] | None = None,
    copies: Mapping[str, int] | None = None,
    on_read: OnRead = lambda done, total: None,
) -> AsyncIterator[Look]:
    """Read everything about all subscriptions, or some; `copies`: what the mail server holds, by notice.

    Raises Unavailable.
    """
    committed = await _committed(stack)
    async with AsyncExitStack() as opened:
        connection = await opened.enter_async_context(stack.database())
        snapshot = connection.transaction(isolation="repeatable_read", readonly=True)
        await opened.enter_async_context(snapshot)
        now = await read_now(connection, virtual=stack.virtual)
        letters = await count_parked(connection)
        count = await connection.fetchval("select count(*) from billing.read_states")
        spool = opened.enter_context(Spool(only))
        await _fill(spool, stack, committed, on_read)

        async def dossiers() -> AsyncIterator[Dossier]:
            async for page in _pages(connection, spool, only):
                for id, state, values in page:
                    yield _dossier(id, now, policies, state, values, copies)

        total = count if only is None else len(only)
        yield Look(now, letters, total, dossiers())


async def _committed(stack: Stack) -> Offsets:
    """What billing has certainly read of the payment systems' messages."""
    group, topic = stack.group("billing"), stack.topic(PAYMENTS_EVENTS.name)
    async with GroupOffsets(stack, {group: (topic,)}) as offsets:
        found = (await offsets.committed())[group]
    return {tp: offset for tp, offset in found.items() if tp.topic == topic}


async def _fill(spool: Spool, stack: Stack, committed: Offsets, on_read: OnRead) -> None:
    async with Broker(stack) as broker:
        partitions = await broker.partitions([stack.topic(topic.name) for topic in _SPOOLED])
        ends = dict(await broker.ends(partitions))
        begins = await broker.consumer.beginning_offsets(partitions)
        for tp in partitions:
            if stack.plain_topic(tp.topic) == PAYMENTS_EVENTS.name:
                ends[tp] = min(ends[tp], committed.get(tp, 0))
        wanted = {tp: end for tp, end in ends.items() if end > begins[tp]}
        total = sum(end - begins[tp] for tp, end in wanted.items())
        done = 0
        if wanted:
            broker.consumer.assign(list(wanted))
            await broker.consumer.seek_to_beginning(*wanted)
            async for batch in read_to(broker, wanted):
                for tp, records in batch.items():
                    spool.add(stack.plain_topic(tp.topic), records)
                    done += len(records)
                on_read(done, total)
    spool.finish()


async def _pages(
    connection: "asyncpg.Connection", spool: Spool, only: Collection[UUID] | None
) -> AsyncIterator[list[tuple[UUID, State, Mapping[str, list[bytes]]]]]:
    """All that is stored or was published, in the order of the ids, so many subscriptions at a time."""
    last = _FIRST
    while True:
        ends = [await after(connection, last, PAGE, only), spool.after(last, PAGE)]
        to = min((end for end in ends if end), default=_LAST)
        states, values = await read_states(connection, last, to, only), spool.read(last, to)
        ids = sorted({*states, *values})
        yield [(id, states.get(id, State()), values.get(id, {})) for id in ids]
        if to == _LAST:
            return
        last = to


def _dossier(
    id: UUID,
    now: datetime,
    policies: Policies,
    state: State,
    values: Mapping[str, list[bytes]],
    copies: Mapping[str, int] | None,
) -> Dossier:
    unreadable = list(state.unreadable)
    told = {
        topic.name: _messages(values.get(topic.name, ()), topic.name, state, unreadable)
        for topic in _SPOOLED
    }
    upstream, cached = told[PAYMENTS_EVENTS.name], told[LICENSING_ENTITLEMENTS.name]
    anything = next((message for messages in told.values() for message in messages), None)
    provider_id = state.provider_id or (anything.providerid if anything else "")
    if not policies.knows(provider_id):
        unreadable.append(f"No policy pack of provider '{provider_id}' is loaded.")
    return Dossier(
        subscription_id=id,
        now=now,
        policies=policies,
        provider_id=provider_id,
        facts=state.facts,
        history=state.history,
        in_force=state.in_force,
        rows=state.rows,
        mails=tuple(state.mails),
        upstream=upstream,
        requests=told[PAYMENTS_REQUESTS.name],
        billing=told[BILLING_EVENTS.name],
        licensing=told[LICENSING_EVENTS.name],
        notifications=told[NOTIFICATIONS_EVENTS.name],
        # On compacted topics the highest number wins.
        cached=max(cached, key=lambda message: message.sequence or 0, default=None),
        copies=copies,
        unreadable=tuple(unreadable),
    )


def _messages(
    values: Iterable[bytes], topic: str, state: State, unreadable: list[str]
) -> tuple[Envelope, ...]:
    """The messages in their order, each once; those told after the snapshot are left out."""
    row = state.rows.get(_WRITER.get(topic, ""))
    known = row.sequences.get(topic, 0) if row else None
    found: dict[tuple[str, str], Envelope] = {}
    for value in values:
        try:
            message = decode(value)
        except InvalidMessage as error:
            if topic != PAYMENTS_EVENTS.name:
                unreadable.append(f"A message on {topic} cannot be read: {error}")
            continue
        if known is None or (message.sequence or 0) <= known:
            # At its first place only: topics hold at least one copy.
            found.setdefault((message.source, message.id), message)
    return tuple(found.values())


def by_notice(message_ids: Iterable[str]) -> dict[str, int]:
    """Copies of each mail by its notice, from the Message-IDs that a mail server holds."""
    found: dict[str, int] = {}
    for message_id in message_ids:
        notice = message_id.strip("<>").split("@")[0]
        found[notice] = found.get(notice, 0) + 1
    return found
