"""What was told, as spans of time: paid by billing, entitled by licensing. Shares no code with the decisions."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from uuid import UUID

from contracts import billing, licensing
from contracts.envelope import Envelope
from ops.audit.dossier import Dossier
from ops.intervals import Interval, minus, union

_ALWAYS = datetime.max.replace(tzinfo=UTC)


@dataclass(slots=True)
class ToldPeriod:
    """One paid period as billing told it so far; `away`: when a refund or chargeback had it."""

    scheduled: Envelope
    order_id: str
    paid_at: datetime
    start: datetime
    end: datetime | None
    away: list[Interval] = field(default_factory=list)

    def spans(self) -> list[Interval]:
        """When it was paid for: from its payment, if that came after its start."""
        span = (max(self.start, self.paid_at), self.end or _ALWAYS)
        return minus([span], self.away) if span[0] < span[1] else []

    def is_away(self, instant: datetime) -> bool:
        """Whether it was taken away at the instant."""
        return any(start <= instant < end for start, end in self.away)


def told_periods(messages: Iterable[Envelope]) -> dict[UUID, ToldPeriod]:
    """The paid periods after some messages of billing, by period_id."""
    found: dict[UUID, ToldPeriod] = {}
    for message in messages:
        data = message.data
        if isinstance(data, billing.PeriodScheduled):
            period = ToldPeriod(message, data.order_id, data.effective_at, data.start, data.end)
            found.setdefault(data.period_id, period)
            continue
        known = found.get(getattr(data, "period_id", None) or UUID(int=0))
        match data:
            case billing.PeriodShifted() if known:
                known.start, known.end = data.new.start, data.new.end
            case billing.PeriodVoided() | billing.PeriodRevoked() if known:
                if data.corrects:
                    known.away = [span for span in known.away if span[0] < data.effective_at]
                known.away.append((data.effective_at, _ALWAYS))
            case billing.PeriodReinstated() if known and known.away:
                ends = data.effective_at
                before = [span for span in known.away if span[0] <= ends] or known.away
                last = max(before)
                known.away[known.away.index(last)] = (last[0], ends)
    return found


def paid_time(messages: Iterable[Envelope]) -> list[Interval]:
    """When a subscription was paid for, and is, after some messages of billing."""
    return union(span for period in told_periods(messages).values() for span in period.spans())


def up_to(intervals: Iterable[Interval], now: datetime) -> list[Interval]:
    """What of the intervals lies before `now`."""
    return union((start, min(end, now)) for start, end in intervals)


def by_cause(messages: Sequence[Envelope]) -> Iterator[tuple[int, list[Envelope]]]:
    """Messages that follow each other from one cause, with how many came before."""
    before = 0
    for _, group in groupby(messages, key=lambda message: message.causationid or message.id):
        together = list(group)
        yield before, together
        before += len(together)


def announced(dossier: Dossier) -> list[Envelope]:
    """The entitlement events that stand, in the order of their anchors."""
    events = [
        message
        for message in dossier.licensing
        if isinstance(message.data, licensing.EntitlementEvent) and message.id in dossier.in_force
    ]
    return sorted(events, key=lambda message: (anchor(message), message.sequence or 0))


def anchor(message: Envelope) -> datetime:
    """Since when what an event of licensing tells counts."""
    if not isinstance(message.data, licensing.LicensingEvent):
        raise TypeError(f"{message.type} is no event of licensing")
    return message.data.effective_at


def in_full(capabilities: licensing.Capabilities) -> bool:
    """Whether everything works."""
    return all(capabilities.model_dump().values())


def entitled_time(dossier: Dossier) -> list[Interval]:
    """When everything worked, by what licensing told, up to now."""
    entitled: list[Interval] = []
    since: datetime | None = None
    for message in announced(dossier):
        data = message.data
        assert isinstance(data, licensing.EntitlementEvent)
        if data.effective_at > dossier.now:
            break
        on = in_full(data.capabilities)
        if since is not None and not on:
            entitled.append((since, data.effective_at))
            since = None
        elif since is None and on:
            since = data.effective_at
    if since is not None:
        entitled.append((since, dossier.now))
    return union(entitled)


def fact_ids(messages: Iterable[Envelope]) -> dict[UUID, list[Envelope]]:
    """The messages of billing by the fact that they tell."""
    found: dict[UUID, list[Envelope]] = defaultdict(list)
    for message in messages:
        if isinstance(message.data, billing.BillingEvent):
            found[message.data.fact_id].append(message)
    return found
