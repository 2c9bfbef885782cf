"""What must agree over services and topics: periods, sequences, the cached entitlement, readable states."""

from collections.abc import Iterator
from datetime import datetime
from itertools import zip_longest
from uuid import UUID

from contracts.licensing import Entitlement
from ledger.access import Access, access_at
from ledger.history import History, PaidPeriod
from ledger.stage import Stage
from ledger.timeline import timeline
from ops.audit.dossier import Dossier
from ops.audit.findings import Notes


def periods_agree(dossier: Dossier, notes: Notes) -> None:
    """Billing's facts and licensing's history give the same periods, will and timeline."""
    if not dossier.facts:
        return
    known = dossier.known
    if known.first_order is None:
        return
    theirs = dossier.history or History()
    notes.saw(len(known.history.periods))
    for own, other in zip_longest(known.history.periods, theirs.periods):
        if own is None or other is None or _facts(own) != _facts(other):
            names = " and ".join(period.order_id if period else "none" for period in (own, other))
            sentence = f"Billing and licensing disagree about the periods of orders {names}."
            at = [period.start for period in (own, other) if period]
            notes.wrong("PERIODS_DISAGREE", sentence, at=at)
            return
    if known.history.auto_renew != theirs.auto_renew:
        notes.wrong("WILL_DISAGREES", "Billing and licensing disagree about automatic renewal.")
    derived = timeline(known.history, dossier.policy)
    differing = sorted({*_shape(derived)} ^ {*_shape(dossier.stages)}, key=_start)
    if differing:
        sentence = "Billing and licensing derive different timelines."
        notes.wrong("TIMELINES_DISAGREE", sentence, at=map(_start, differing[:2]))


def _facts(period: PaidPeriod) -> tuple[object, ...]:
    """What both services know of a period; what its successors count from is billing's alone."""
    return (
        period.period_id,
        period.order_id,
        period.kind,
        period.amount,
        period.plan,
        period.start,
        period.end,
        period.paid_at,
        period.policy_version,
        [(taken.at, taken.reason, taken.reinstated_at) for taken in period.takings],
    )


_Shape = tuple[str, UUID, datetime, str | None]


def _shape(stages: tuple[Stage, ...]) -> Iterator[_Shape]:
    for stage in stages:
        yield stage.status, stage.period.period_id, stage.start, stage.reason


def _start(shape: _Shape) -> datetime:
    return shape[2]


def no_gap(dossier: Dossier, notes: Notes) -> None:
    """Sequences have no gap, and end where their writer says; only retention may take the first ones."""
    for topic, messages in dossier.told.items():
        told = max((row.sequences.get(topic, 0) for row in dossier.rows.values()), default=0)
        numbers = [message.sequence or 0 for message in messages]
        notes.saw(len(numbers))
        first = numbers[0] if numbers else told + 1
        if numbers != list(range(first, told + 1)):
            shown = f"{numbers[:10]}{' ...' if len(numbers) > 10 else ''}"
            sentence = f"Sequences {shown} of {topic} are not {first} to {told}."
            gap = [
                m for m, n in zip(messages, range(first, told + 1), strict=False) if m.sequence != n
            ]
            notes.wrong("SEQUENCE_GAP", sentence, events=gap[:1])


def cache_is_true(dossier: Dossier, notes: Notes) -> None:
    """The entitlement that anyone may cache is the access that follows from licensing's history."""
    if dossier.history is None or dossier.ticking:
        return
    access, cached = access_at(dossier.history, dossier.policy, dossier.now), dossier.entitlement
    if access is None and (cached is None or cached.state == "pending"):
        return
    notes.saw()
    derived, told = _parts(access), _parts(cached)
    if derived != told:
        field = next((name for name in _CACHED if derived.get(name) != told.get(name)), "all")
        sentence = (
            f"The cached entitlement has {field} {told.get(field, 'missing')}, "
            f"by the facts it is {derived.get(field, 'missing')}."
        )
        events = [dossier.cached] if dossier.cached else []
        notes.wrong("ENTITLEMENT_STALE", sentence, at=[dossier.now], events=events)


_CACHED = ("state", "capabilities", "seats", "valid_until", "paid_through")


def _parts(access: Access | Entitlement | None) -> dict[str, object]:
    return {name: getattr(access, name) for name in _CACHED} if access else {}


def all_readable(dossier: Dossier, notes: Notes) -> None:
    """Every state and message of ours can be read by this version."""
    notes.saw()
    for sentence in dossier.unreadable:
        notes.wrong("UNREADABLE", sentence)
