"""Invariants of access: 1 nothing without a cause, 2 nothing paid without access, 13 late timers, 14 refunds."""

from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise

from contracts import licensing
from contracts.licensing import EntitlementEvent
from ledger.access import access_of
from ledger.endings import deadlines
from ledger.stage import Stage
from ops.audit.dossier import Dossier
from ops.audit.findings import Notes
from ops.audit.told import (
    announced,
    entitled_time,
    fact_ids,
    in_full,
    paid_time,
    told_periods,
    up_to,
)
from ops.intervals import Interval, minus, union


def nothing_without_cause(dossier: Dossier, notes: Notes) -> None:
    """1: what is entitled is paid, in grace or waits for an answer, and names the fact that gave it."""
    if not dossier.complete:
        return
    entitled = entitled_time(dossier)
    notes.saw(len(entitled))
    given = [*paid_time(dossier.billing), *_granted(dossier)]
    for start, end in minus(entitled, given):
        notes.wrong(
            "ENTITLED_NOT_PAID",
            f"Entitled from {start} to {end}, but neither paid nor in grace.",
            at=(start, end),
            events=[m for m in announced(dossier) if start <= m.data.effective_at < end],  # type: ignore[attr-defined]
        )
    facts = fact_ids(dossier.billing)
    for message in announced(dossier):
        data = message.data
        if isinstance(data, EntitlementEvent) and in_full(data.capabilities):
            notes.saw()
            if data.fact_id not in facts:
                sentence = f"Access from {data.effective_at} names a fact that billing never told."
                notes.wrong("CAUSE_UNKNOWN", sentence, at=[data.effective_at], events=[message])


def paid_is_entitled(dossier: Dossier, notes: Notes) -> None:
    """2: every paid instant has full capability, unless it pauses or an open dispute holds it."""
    if not dossier.complete:
        return
    paid = up_to(paid_time(dossier.billing), dossier.now)
    notes.saw(len(paid))
    entitled = [*entitled_time(dossier), *_suspended(dossier)]
    for start, end in minus(paid, entitled):
        notes.wrong(
            "PAID_NOT_ENTITLED",
            f"Paid from {start} to {end}, but without full access.",
            at=(start, end),
            events=[p.scheduled for p in told_periods(dossier.billing).values() if p.start < end],
        )


def announced_as_derived(dossier: Dossier, notes: Notes) -> None:
    """13: what was announced, however late, is what follows from the facts at each instant."""
    if dossier.history is None or not dossier.licensing or dossier.licensing[0].sequence != 1:
        return
    said = [
        (data.effective_at, data)
        for message in announced(dossier)
        if isinstance(data := message.data, EntitlementEvent)
    ]
    stages = [stage for stage in dossier.stages if stage.start <= dossier.now]
    for stage in stages:
        notes.saw()
        before = [data for at, data in said if at <= stage.start]
        access = access_of(stage, stage.ends_at)
        told = before[-1] if before else None
        if told is None or (told.state, told.capabilities) != (access.state, access.capabilities):
            announcement = told.state if told else "nothing"
            notes.wrong(
                "ANNOUNCED_OTHERWISE",
                f"From {stage.start} access is {access.state}, announced was {announcement}.",
                at=[stage.start],
            )
    for at, data in said:
        notes.saw()
        derived = [stage for stage in stages if stage.start <= at or stage.anchor == at]
        states = {access_of(stage, stage.ends_at).state for stage in _meant(derived, at)}
        if data.state not in states:
            notes.wrong(
                "ANNOUNCED_OTHERWISE",
                f"Announced from {at} was {data.state}, but it is {' or '.join(sorted(states))}.",
                at=[at],
            )


def _meant(begun: list[Stage], at: datetime) -> Iterator[Stage]:
    """The stages that an event with this anchor may tell: the one that ran, or one that it is the anchor of."""
    yield from (stage for stage in begun if stage.anchor == at)
    running = [stage for stage in begun if stage.start <= at]
    yield from running[-1:]


def no_grace_after_refund(dossier: Dossier, notes: Notes) -> None:
    """14: nobody gets grace for a period that was refunded, nor where the refunded next one would begin."""
    periods = told_periods(dossier.billing)
    for message in dossier.licensing:
        data = message.data
        if not isinstance(data, licensing.GraceStarted) or message.id not in dossier.in_force:
            continue
        notes.saw()
        own = periods.get(data.period_id)
        next_ones = [
            other
            for other in periods.values()
            if own and own.end and other.start >= own.end and other.is_away(own.end)
        ]
        if own and (own.is_away(data.effective_at) or next_ones):
            notes.wrong(
                "GRACE_AFTER_REFUND",
                f"Grace began at {data.effective_at} although the money went back.",
                at=[data.effective_at],
                events=[message],
            )
    for previous, stage in pairwise(dossier.stages):
        notes.saw()
        away = previous.reason in ("refunded", "refunded_renewal")
        # A refund that failed after all gives the period back, and what follows its end with it.
        back = stage.period.takings and not stage.period.taking_at(stage.start)
        if away and stage.status == "grace" and not back:
            sentence = f"Expired ({previous.reason}) turns into grace at {stage.start}."
            notes.wrong("GRACE_AFTER_REFUND", sentence, at=[stage.start])


def _granted(dossier: Dossier) -> list[Interval]:
    """Unpaid time that the provider's policy lets the customer use: grace, the wait for an answer, pause grace."""
    history = dossier.history
    if history is None:
        return []
    found: list[Interval] = []
    for period in history.periods:
        policy = dossier.policy(period.policy_version)
        due = deadlines(history, policy, period)
        if due:
            found += [(due.end, due.gap_end), (due.end, due.grace_end)]
        for span in history.pause_spans():
            found.append((span.start, min(span.start + policy.pause_grace, span.end)))
    return union(found)


def _suspended(dossier: Dossier) -> list[Interval]:
    """Paid time that may not be used: pauses, and open disputes where the provider holds access then."""
    history = dossier.history
    if history is None:
        return []
    found: list[Interval] = [(span.start, span.end) for span in history.pause_spans()]
    for dispute in history.disputes:
        for period in history.periods:
            held = period.period_id == dispute.period_id
            if held and dossier.policy(period.policy_version).hold_on_dispute:
                found.append((dispute.at, dispute.closed_at or dossier.now))
    return union(found)
