"""The checks of the live auditor: what of a record is wrong, since when, and by which events. Pure."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from uuid import UUID

from contracts.operations import AlertCode
from ops.watch.record import Record

_BILLING, _LICENSING = "billing.events", "licensing.events"
_NOTIFICATIONS = "notifications.events"
#: By topic, the broker's time from which on everything that was told is known; 0: from its first record.
SeenFrom = Mapping[str, int]
_ALL: SeenFrom = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long what is wrong may stay so before it is told.

    It counts from when the watch reads what makes it wrong: as long as it keeps up that is the broker's
    time, without the jumps that a broker's clock may make. `settle_ms` is for what cannot come right by
    itself: topics are read side by side, so that an effect may be seen before its cause.
    """

    entitled_ms: int = 30_000
    confirmed_ms: int = 120_000
    settle_ms: int = 10_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong from `due_ms` on, unless the fact arrives before."""

    code: AlertCode
    #: What exactly it is about; with the code and the subscription it is one finding.
    about: str
    sentence: str
    evidence: tuple[str, ...]
    command: str
    due_ms: int


def findings(
    subscription_id: UUID, record: Record, bounds: Bounds, seen_from: SeenFrom = _ALL
) -> Iterator[Finding]:
    """Everything that is wrong with a subscription as told until now.

    What is missing may have been deleted by retention: then it is not judged.
    """
    timeline = f"tenure timeline {subscription_id}"
    yield from _access(record, bounds, seen_from, subscription_id)
    for event_id, waits in record.unconfirmed.items():
        if waits.at.told_ms < seen_from.get(_NOTIFICATIONS, 0):
            continue
        yield Finding(
            "PAID_NOT_CONFIRMED",
            event_id,
            f"Order {waits.order_id} is paid, but no confirmation was accepted.",
            (event_id,),
            timeline,
            waits.at.heard_ms + bounds.confirmed_ms,
        )
    if _whole(record, _BILLING, seen_from) and _whole(record, _NOTIFICATIONS, seen_from):
        yield from _not_reminded(record, bounds, timeline)
    yield from _charged_twice(record, bounds, timeline)
    for topic, sequence in record.sequences.items():
        if sequence.missing:
            count = len(sequence.missing)
            yield Finding(
                "SEQUENCE_GAP",
                topic,
                f"On {topic} {count} of its messages are missing, the first is {min(sequence.missing)}.",
                (sequence.behind,),
                f"tenure tail {topic} --subscription {subscription_id} --since 1d --no-follow",
                sequence.since_ms + bounds.settle_ms,
            )


def _whole(record: Record, topic: str, seen_from: SeenFrom) -> bool:
    """Whether nothing can be missing of what a topic ever told about the subscription."""
    never_told = topic not in record.sequences and not seen_from.get(topic, 0)
    return record.complete(topic) or never_told


def _access(
    record: Record, bounds: Bounds, seen_from: SeenFrom, subscription_id: UUID
) -> Iterator[Finding]:
    """Paid and entitled must agree at the latest instant that billing or licensing told of."""
    entitled, clock = record.entitled, record.billing_clock
    why = f"tenure access {subscription_id}"
    now = max((i for i in (entitled and entitled.as_of, clock) if i), default=None)
    if now is None:
        return
    paid = record.covered(now)
    told = (entitled.event_id,) if entitled else ()
    deleted = entitled is None and paid and paid.told_ms < seen_from.get(_LICENSING, 0)
    if paid and not (entitled and entitled.works) and not record.holds and not deleted:
        said = f"access is {entitled.state}" if entitled else "nothing was entitled"
        yield Finding(
            "PAID_NOT_ENTITLED",
            _period_id(record, paid.event_id),
            f"Paid at {now:%Y-%m-%d %H:%M} UTC, but {said}.",
            (paid.event_id, *told),
            why,
            record.moved_ms + bounds.entitled_ms,
        )
    if entitled is None or not entitled.works:
        return
    taken = [p for p in record.periods.values() if p.is_away(now) and p.spans(now)]
    if taken and paid is None:
        yield Finding(
            "REFUNDED_STILL_ENTITLED",
            _period_id(record, taken[-1].event_id),
            f"The period was taken away, but access is {entitled.state}.",
            (taken[-1].gone_by, *told),
            why,
            record.moved_ms + bounds.entitled_ms,
        )
    elif (
        _whole(record, _BILLING, seen_from)
        and record.covered(entitled.as_of) is None
        and not _given(record)
    ):
        yield Finding(
            "ENTITLED_WITHOUT_REASON",
            "access",
            f"Access is {entitled.state}, but neither paid, in grace nor waiting for an answer.",
            told,
            why,
            record.moved_ms + bounds.settle_ms,
        )


def _given(record: Record) -> bool:
    """Whether access may be given without a paid period: in grace after one, or while a charge is unanswered."""
    entitled = record.entitled
    assert entitled is not None
    begun = [p for p in record.periods.values() if p.start <= entitled.as_of]
    standing = [p for p in begun if not p.is_away(entitled.as_of)]
    if entitled.state == "grace":
        return bool(standing)
    unanswered = any(not c.closed and not c.payments for c in record.charges.values())
    return bool(standing) and unanswered


def _period_id(record: Record, event_id: str) -> str:
    return next(str(id) for id, p in record.periods.items() if p.event_id == event_id)


def _not_reminded(record: Record, bounds: Bounds, timeline: str) -> Iterator[Finding]:
    """S-52: an accepted reminder of the period comes before its charge, or a reason why it does not."""
    for charge_id, charge in record.charges.items():
        at = record.reminded.get(charge.renews)
        proven = at is not None and at <= charge.at
        if not proven and charge.renews not in record.waived and not charge.closed:
            yield Finding(
                "CHARGED_WITHOUT_REMINDER",
                str(charge_id),
                f"Charge {charge_id} was not preceded by a reminder.",
                (charge.event_id,),
                timeline,
                charge.heard_ms + bounds.settle_ms,
            )


def _charged_twice(record: Record, bounds: Bounds, timeline: str) -> Iterator[Finding]:
    """One charge per period renewed is outstanding or paid (Q4), and each is taken once."""
    renewed: dict[UUID, list[str]] = defaultdict(list)
    heard_ms: dict[UUID, int] = defaultdict(int)
    for charge in record.charges.values():
        if not charge.closed:
            renewed[charge.renews] += [charge.event_id, *charge.payments[1:]]
            heard_ms[charge.renews] = max(heard_ms[charge.renews], charge.heard_ms)
    for renews, events in renewed.items():
        if len(events) > 1:
            yield Finding(
                "CHARGED_TWICE",
                str(renews),
                f"The renewal of period {renews} was charged {len(events)} times.",
                tuple(events[:20]),
                timeline,
                heard_ms[renews] + bounds.settle_ms,
            )
