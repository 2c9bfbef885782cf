"""Why a stage holds: the rules that decided it, from one table, and the facts that it follows from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from ledger.history import History, PaidPeriod, Taken
from ledger.stage import Stage

CauseKind = Literal[
    "payment",
    "refund",
    "chargeback",
    "refund_failed",
    "pause",
    "dispute",
    "will",
    "charge",
    "settings",
]
Situation = Literal[
    "paid",
    "renewed",
    "paid_in_grace",
    "paid_anew",
    "given_back",
    "unanswered",
    "paid_ahead",
    "renewal_off",
    "grace",
    "hold_after_grace",
    "hold_at_end",
    "disputed",
    "paused",
    "paused_at_end",
    "paused_unpaid",
    "pause_usable",
    "lapsed",
    "lapsed_at_end",
    "payment_failed",
    "canceled",
    "canceled_unpaid",
    "refunded",
    "refunded_unpaid",
    "refunded_renewal",
    "chargeback",
]

#: The rules behind each situation, the most telling first.
RULES: Mapping[Situation, tuple[str, ...]] = {
    "paid": ("T2", "S-01"),
    "renewed": ("T8", "S-33"),
    "paid_in_grace": ("T12", "S-14b"),
    "paid_anew": ("S-14b", "S-10"),
    "given_back": ("T21", "S-46"),
    "unanswered": ("Q7",),
    "paid_ahead": ("S-35",),
    "renewal_off": ("S-37",),
    "grace": ("S-13", "T10", "S-12"),
    "hold_after_grace": ("T13", "S-07"),
    "hold_at_end": ("T11", "S-14", "S-07"),
    "disputed": ("T22", "S-07"),
    "paused": ("T23", "S-03", "S-07"),
    "paused_at_end": ("T24", "Q17", "S-07"),
    "paused_unpaid": ("T26", "Q17", "S-07"),
    "pause_usable": ("Q17", "S-03"),
    "lapsed": ("T15", "Q8", "S-07"),
    "lapsed_at_end": ("S-14", "T11", "S-07"),
    "payment_failed": ("T15", "Q8", "S-07"),
    "canceled": ("S-37", "T9", "S-14c"),
    "canceled_unpaid": ("Q15", "S-37"),
    "refunded": ("S-47", "T18"),
    "refunded_unpaid": ("S-14e", "Q9"),
    "refunded_renewal": ("S-48", "T19"),
    "chargeback": ("Q16", "T22"),
}


@dataclass(frozen=True, slots=True)
class Cause:
    """One fact that an answer follows from, and when it happened."""

    kind: CauseKind
    fact_id: UUID
    at: datetime


def rules_of(history: History, stage: Stage, instant: datetime) -> tuple[str, ...]:
    """The ids of the rules by which the stage holds at the instant."""
    situations = _situations(history, stage, instant)
    return tuple(dict.fromkeys(rule for one in situations for rule in RULES[one]))


def _situations(history: History, stage: Stage, instant: datetime) -> Iterator[Situation]:
    period = stage.period
    match stage.status:
        case "active":
            if _unanswered(stage, instant):
                yield "unanswered"
            yield _how_paid(history, period)
            if any(back.reinstated_at for back in period.takings):
                yield "given_back"
        case "grace":
            yield "grace"
        case "hold":
            if stage.disputed:
                yield "disputed"
            else:
                yield (
                    "hold_at_end"
                    if stage.anchor == history.renewal_point(period)
                    else "hold_after_grace"
                )
        case "paused":
            yield _how_paused(history, stage)
        case "expired":
            yield _how_expired(history, stage)
    if stage.status in ("active", "paused"):
        if any(p.begins > instant and p.counts_at(instant) for p in history.periods):
            yield "paid_ahead"
        if _off(history, instant):
            yield "renewal_off"


def _how_paid(history: History, period: PaidPeriod) -> Situation:
    if period.kind == "initial":
        return "paid"
    if period.paid_at > period.start:
        return "paid_in_grace"
    follows = any(history.renewal_point(before) == period.start for before in history.periods)
    return "renewed" if follows else "paid_anew"


def _how_paused(history: History, stage: Stage) -> Situation:
    if stage.usable:
        return "pause_usable"
    if stage.runs:
        return "paused"
    span = history.pause_at(stage.start)
    at_end = span is not None and span.pause.follows == stage.period.period_id
    return "paused_at_end" if at_end else "paused_unpaid"


def _how_expired(history: History, stage: Stage) -> Situation:
    ended_running = stage.period.end is None or stage.anchor < stage.period.end
    at_end = stage.anchor == history.renewal_point(stage.period)
    match stage.reason:
        case "canceled":
            return "canceled" if at_end else "canceled_unpaid"
        case "chargeback" | "refunded_renewal":
            return stage.reason if ended_running or at_end else "refunded_unpaid"
        case "refunded":
            return "refunded" if ended_running else "refunded_unpaid"
        case "payment_failed":
            return "payment_failed"
    return "lapsed_at_end" if at_end else "lapsed"


def _unanswered(stage: Stage, instant: datetime) -> bool:
    """Whether the period is over and access is kept for the answer to its renewal charge."""
    return stage.period.end is not None and stage.period.end <= instant


def _off(history: History, instant: datetime) -> bool:
    wills = [will for will in history.effective_wills if will.at <= instant]
    return bool(wills) and wills[-1].ends


def causes_of(history: History, stage: Stage, instant: datetime) -> tuple[Cause, ...]:
    """The facts that the stage follows from at the instant, oldest first."""
    return tuple(sorted(_causes(history, stage, instant), key=lambda c: (c.at, c.kind, c.fact_id)))


def _causes(history: History, stage: Stage, instant: datetime) -> Iterator[Cause]:
    period = stage.period
    yield Cause("payment", period.fact_id, period.paid_at)
    taken = _taken(history, stage, instant)
    if taken:
        kind: CauseKind = "chargeback" if taken.reason == "chargeback" else "refund"
        yield Cause(kind, taken.fact_id, taken.at)
    elif stage.status != "expired":
        for back in period.takings:
            if back.reinstated_at and back.reinstated_at <= instant:
                yield Cause("refund_failed", back.fact_id, back.reinstated_at)
    span = history.pause_at(instant) if stage.status == "paused" else None
    if span:
        yield Cause("pause", span.pause.fact_id, span.pause.at)
    if stage.disputed:
        for dispute in history.disputes:
            if dispute.period_id == period.period_id and dispute.open_at(instant):
                yield Cause("dispute", dispute.fact_id, dispute.at)
    if stage.reason == "canceled" or (
        stage.status in ("active", "paused") and _off(history, instant)
    ):
        will = [w for w in history.effective_wills if w.ends and w.at <= instant][-1]
        yield Cause("will", will.fact_id, will.at)
    if stage.status == "active" and _unanswered(stage, instant):
        for asked in history.asked:
            if asked.renews == period.period_id and asked.open_at(instant):
                yield Cause("charge", asked.fact_id, asked.at)
    change = history.seat_change_at(period, instant)
    if change and change.seats != period.plan.seats:
        yield Cause("settings", change.fact_id, change.at)


def _taken(history: History, stage: Stage, instant: datetime) -> Taken | None:
    """The refund or chargeback that the stage follows from: of its period, or of the one after it."""
    if stage.reason not in ("refunded", "refunded_renewal", "chargeback"):
        return None
    own = stage.period.taking_at(instant)
    if own:
        return own
    point = history.renewal_point(stage.period)
    later = (p.taking_at(stage.anchor) for p in history.periods if point and p.start >= point)
    return next((taken for taken in later if taken), None)
