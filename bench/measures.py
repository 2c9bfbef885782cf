"""What is measured of one peer, and how its parts follow each other."""

import asyncio
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.progress import Progress

from bench.cpu import per_order_ms
from bench.load import ENTITLEMENT, GRANTED, PERIOD_SCHEDULED, LateError, Load
from bench.orders import paid_orders
from bench.peers import Peer
from bench.scale import RATES, Scale
from contracts.topics import TOPICS
from devstack.mailbox import Mailbox
from ops.broker import Broker
from ops.connection import Stack

_MAIL_POLL_S = 0.1


@dataclass(slots=True)
class Latency:
    """Milliseconds from a payment to its entitlement-granted record, at a steady rate."""

    rate_per_s: int
    count: int
    p50_ms: float
    p99_ms: float


@dataclass(slots=True)
class Measured:
    """The figures of one peer; what does not apply to it stays None."""

    orders: int = 0
    payments_per_s: float | None = None
    first_stage_per_s: float | None = None
    mails_per_s: float | None = None
    records_per_order: dict[str, float] = field(default_factory=dict)
    memory_mib: dict[str, float] = field(default_factory=dict)
    cpu_ms_per_order: dict[str, float] = field(default_factory=dict)
    latency: list[Latency] = field(default_factory=list)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of all values does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


async def whole(peer: Peer, scale: Scale, progress: Progress, mailbox: Mailbox | None) -> Measured:
    """Warm up, burst, memory, then latency at each rate. `mailbox`: where its mails arrive."""
    measured = Measured(scale.orders)
    async with Load(peer.kafka, (PERIOD_SCHEDULED, ENTITLEMENT, GRANTED)) as load:
        await _burst(load, peer, scale, scale.warm_up, progress, "warm-up", Measured(), mailbox)
        before, cpu_before = await _ends(peer), peer.cpu_s()
        await _burst(load, peer, scale, scale.orders, progress, "burst", measured, mailbox)
        await peer.rest(scale.timeout_s)
        after = await _ends(peer)
        measured.cpu_ms_per_order = per_order_ms(cpu_before, peer.cpu_s(), scale.orders)
        measured.records_per_order = {
            topic: round((end - before[topic]) / scale.orders, 3)
            for topic, end in after.items()
            if end > before[topic]
        }
        measured.memory_mib = peer.workers.memory_mib()
        for rate in RATES:
            measured.latency.append(await _latency(load, peer, scale, rate, progress))
            await peer.rest(scale.timeout_s)
    return measured


async def first_stage(peer: Peer, scale: Scale, progress: Progress) -> Measured:
    """Only the burst, only through the first stage."""
    measured = Measured(scale.faust_orders)
    async with Load(peer.kafka, (PERIOD_SCHEDULED,)) as load:
        for label, count in (("warm-up", scale.warm_up), ("burst", scale.faust_orders)):
            load.forget()
            orders = paid_orders(count, f"{peer.name}-{label}")
            bar = _Bar(progress, f"{peer.name}: {label}", count)
            began = await load.burst(orders)
            ended = await load.last(
                PERIOD_SCHEDULED,
                count,
                timeout_s=scale.timeout_s,
                advance=bar.advance,
                alive=peer.workers.alive,
            )
        measured.first_stage_per_s = round(scale.faust_orders / (ended - began), 1)
        measured.memory_mib = peer.workers.memory_mib()
    return measured


async def _burst(
    load: Load,
    peer: Peer,
    scale: Scale,
    count: int,
    progress: Progress,
    label: str,
    into: Measured,
    mailbox: Mailbox | None,
) -> None:
    load.forget()
    orders = paid_orders(count, f"{peer.name}-{label}")
    mails = await mailbox.count() + count if mailbox else 0
    bar = _Bar(progress, f"{peer.name}: {label}", count)
    began = await load.burst(orders)
    ended, mailed = await asyncio.gather(
        load.last(
            ENTITLEMENT,
            count,
            timeout_s=scale.timeout_s,
            advance=bar.advance,
            alive=peer.workers.alive,
        ),
        _mails(mailbox, mails, scale.timeout_s),
    )
    into.payments_per_s = round(count / (ended - began), 1)
    first = max(load.seen[PERIOD_SCHEDULED].values())
    into.first_stage_per_s = round(count / (first - began), 1)
    if mailbox is not None:
        into.mails_per_s = round(count / (mailed - began), 1)


async def _mails(mailbox: Mailbox | None, total: int, timeout_s: float) -> float:
    """The instant at which the mailbox, if there is one, has this many mails."""
    end = time.monotonic() + timeout_s
    while mailbox is not None and (arrived := await mailbox.count()) < total:
        if time.monotonic() > end:
            raise LateError(f"{arrived} of {total} mails came to the mailbox in {timeout_s:g} s.")
        await asyncio.sleep(_MAIL_POLL_S)
    return time.monotonic()


async def _latency(load: Load, peer: Peer, scale: Scale, rate: int, progress: Progress) -> Latency:
    load.forget()
    orders = paid_orders(rate * scale.paced_s, f"{peer.name}-{rate}")
    bar = _Bar(progress, f"{peer.name}: {rate} payments/s", len(orders))
    paid_at = await load.paced(orders, rate, bar.advance)
    await load.last(
        GRANTED,
        len(orders),
        timeout_s=scale.timeout_s,
        advance=bar.advance,
        alive=peer.workers.alive,
    )
    seen = load.seen[GRANTED]
    waits_ms = [1000 * (seen[id] - at) for id, at in paid_at.items()]
    p50, p99 = (round(percentile(waits_ms, share), 1) for share in (0.5, 0.99))
    return Latency(rate, len(orders), p50, p99)


async def _ends(peer: Peer) -> dict[str, int]:
    """How many records each topic has, by its plain name."""
    stack = Stack(peer.variables)
    found: dict[str, int] = {}
    async with Broker(stack) as broker:
        partitions = await broker.partitions(stack.topic(topic.name) for topic in TOPICS)
        for partition, end in (await broker.ends(partitions)).items():
            name = stack.plain_topic(partition.topic)
            found[name] = found.get(name, 0) + end
    return found


class _Bar:
    """One line of progress that stays on the screen."""

    def __init__(self, progress: Progress, text: str, total: int) -> None:
        self._progress = progress
        self._task = progress.add_task(text, total=total)

    def advance(self, done: int) -> None:
        """So many are done."""
        self._progress.update(self._task, completed=done)
