"""Invariants of paid time: 3 and 4 where periods lie, 6 what cancellations and refunds do to it."""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from uuid import UUID

from contracts import billing
from contracts.envelope import Envelope
from ledger.history import History, PaidPeriod
from ops.audit.dossier import Dossier
from ops.audit.findings import Notes
from ops.audit.told import ToldPeriod, by_cause, paid_time, told_periods
from ops.intervals import Interval, minus

_REFUND = (billing.RefundInitiated, billing.DisputeLost)
#: What may lengthen paid time; with one of these from the same cause, a refund is not what did it.
_LENGTHENS = (billing.PeriodScheduled, billing.PeriodReinstated, billing.PauseEvent)


def no_overlap(dossier: Dossier, notes: Notes) -> None:
    """3: limited paid periods never share an instant, so that at most one is current."""
    if dossier.history is None:
        return
    spans = _spans(dossier.history)
    notes.saw(len(spans))
    for ((_, end), one), ((start, _), other) in pairwise(spans):
        if start < end:
            notes.wrong(
                "PERIODS_OVERLAP",
                f"The periods of orders {one.order_id} and {other.order_id} overlap from {start}.",
                at=(start, end),
                events=_scheduled(dossier, one, other),
            )


def _spans(history: History) -> list[tuple[Interval, PaidPeriod]]:
    found = [
        (span, period)
        for period in history.periods
        if period.end
        for span in _counted(period, period.end)
    ]
    return sorted(found, key=lambda each: each[0])


def _counted(period: PaidPeriod, end: datetime) -> list[Interval]:
    """When a period counts: from its payment, and not while it is taken away."""
    away = [(taken.at, taken.reinstated_at or max(end, taken.at)) for taken in period.takings]
    return minus([(period.begins, end)], away)


def upcoming_follows(dossier: Dossier, notes: Notes) -> None:
    """4: a period that waits for its turn starts where the one before it ends, pauses and shifts included."""
    history = dossier.history
    if history is None:
        return
    for period in history.counting:
        if period.start <= dossier.now or period.basis == "given":
            continue
        notes.saw()
        ends = {history.renewal_point(other) for other in history.periods if other is not period}
        if period.start not in ends:
            notes.wrong(
                "UPCOMING_ELSEWHERE",
                f"The period of order {period.order_id} starts at {period.start}, where no other ends.",
                at=[period.start],
                events=_scheduled(dossier, period),
            )


def will_and_refund(dossier: Dossier, notes: Notes) -> None:
    """6: a cancellation never shortens paid time, a refund never lengthens it."""
    if not dossier.complete:
        return
    for before, group in by_cause(dossier.billing):
        kinds = tuple(type(message.data) for message in group)
        late = _otherwise_shifted(group)
        canceled = [m for m in group if isinstance(m.data, billing.CancellationScheduled)]
        if canceled and not late and not _any(kinds, _REFUND):
            notes.saw()
            then, now = _change(dossier, before, len(group))
            _shortened(notes, minus(then, now), group)
            for message in canceled:
                _date(notes, message, then)
        if _any(kinds, (billing.PeriodVoided, billing.PeriodRevoked)):
            notes.saw()
            if not late and not _any(kinds, _LENGTHENS):
                then, now = _change(dossier, before, len(group))
                _lengthened(notes, minus(now, then), group)


def _any(kinds: Sequence[type], wanted: tuple[type, ...]) -> bool:
    return any(issubclass(kind, wanted) for kind in kinds)


def _otherwise_shifted(group: Sequence[Envelope]) -> bool:
    """Whether the group moves periods for another reason: a late fact, or goodwill."""
    shifts = [m.data.reason for m in group if isinstance(m.data, billing.PeriodShifted)]
    return "reordered" in shifts or "goodwill" in shifts


def _change(dossier: Dossier, before: int, count: int) -> tuple[list[Interval], list[Interval]]:
    """The paid time before and after some messages."""
    return paid_time(dossier.billing[:before]), paid_time(dossier.billing[: before + count])


def _shortened(notes: Notes, lost: list[Interval], group: Sequence[Envelope]) -> None:
    for start, end in lost:
        sentence = f"A cancellation took paid time away: {start} to {end}."
        notes.wrong("CANCEL_SHORTENED", sentence, at=(start, end), events=group)


def _lengthened(notes: Notes, won: list[Interval], group: Sequence[Envelope]) -> None:
    for start, end in won:
        sentence = f"A refund made paid time longer: {start} to {end}."
        notes.wrong("REFUND_LENGTHENED", sentence, at=(start, end), events=group)


def _date(notes: Notes, message: Envelope, paid: list[Interval]) -> None:
    """A cancellation names no date before the end of what was paid when it was told."""
    data = message.data
    if not isinstance(data, billing.CancellationScheduled) or data.cancel_at is None or not paid:
        return
    if data.cancel_at < paid[-1][1]:
        sentence = f"A cancellation names {data.cancel_at}, but it is paid to {paid[-1][1]}."
        notes.wrong("CANCEL_SHORTENED", sentence, at=(data.cancel_at,), events=[message])


def _scheduled(dossier: Dossier, *periods: PaidPeriod) -> list[Envelope]:
    told: dict[UUID, ToldPeriod] = told_periods(dossier.billing)
    return [told[p.period_id].scheduled for p in periods if p.period_id in told]
