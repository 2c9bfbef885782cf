"""How pauses count: when each begins and ends, and how they move paid time (T23 to T26, Q17)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from ledger.pauses import Pause, PauseSpan
from ledger.shifts import extended, postponed
from services.billing.domain import facts
from services.billing.domain.pauses import mode_of, pause_refusal
from services.billing.domain.refusal import Refusal
from services.billing.domain.standing import Move, Standing

NOT_PAUSED = Refusal("NOT_PAUSED", "The subscription does not pause.")


def count_pause(
    result: Standing, fact: facts.PauseRequested, later: Sequence[facts.AnyFact]
) -> None:
    """Grant or refuse a pause; its end follows from the facts after it, so that it moves time once.

    One that was granted but, by an older fact that arrived later, has nothing to pause, is void.
    """
    refusal = None if fact.granted else pause_refusal(result, fact)
    if refusal:
        result.refusals[fact.fact_id] = refusal
        return
    running = result.running(fact.at)
    mode = mode_of(result.policy_at(fact.at), fact.mode)
    if mode is None or fact.resumes_at is None:
        raise ValueError("a pause was granted without its mode or its end")
    at_end = mode == "at_period_end"
    void = running is None or (at_end and not (running.end and running.end < fact.resumes_at))
    ended = None if void else _ending(fact.resumes_at, later)
    pause = Pause(
        fact_id=fact.fact_id,
        mode=mode,
        at=fact.at,
        resumes_at=fact.resumes_at,
        follows=running.period_id if running and at_end else None,
        ended_at=fact.at if void else ended.at if ended else None,
    )
    if ended:
        result.pause_ends[pause.fact_id] = ended.fact_id
    result.history = result.history.with_pause(pause)
    if running and mode == "freeze_term":
        result.move(extended(result.history, running, pause.end - pause.at), _cause(result, pause))
    keep_behind_pauses(result)


def _ending(resumes_at: datetime, later: Sequence[facts.AnyFact]) -> facts.AnyFact | None:
    """The first fact that ends a pause before its time: it is resumed, replaced, or paid time is taken away."""
    for fact in later:
        if fact.at >= resumes_at:
            return None
        match fact:
            case facts.ResumeRequested() | facts.PauseRequested(granted=True):
                return fact
            case facts.CaseApproved() | facts.MoneyLost():
                if fact.effect != "none" and not fact.before_start:
                    return fact
    return None


def _cause(result: Standing, pause: Pause) -> Move:
    """The fact that fixes how long a pause is."""
    ended_by = result.pause_ends.get(pause.fact_id)
    if ended_by and pause.ended_at:
        return Move("pause", ended_by, pause.ended_at)
    return Move("pause", pause.fact_id, pause.at)


def keep_behind_pauses(result: Standing) -> None:
    """What is paid behind a pause at the end of a period starts at its end (T24)."""
    for span in result.history.pause_spans():
        followed = result.period(span.pause.follows) if span.pause.follows else None
        if followed:
            history = postponed(result.history, followed, span.end)
            result.move(history, _cause(result, span.pause))


def count_resume(result: Standing, fact: facts.ResumeRequested) -> None:
    """A resumption ended the open pause, or there was none."""
    if fact.granted or fact.fact_id in result.pause_ends.values():
        return
    result.refusals[fact.fact_id] = NOT_PAUSED


def end_with_subscription(result: Standing, instant: datetime) -> None:
    """A pause at the instant is over when paid time, or its grace, has ended meanwhile (T26, Q15)."""
    span = result.history.pause_at(instant)
    stage = result.stage(instant) if span else None
    if span and stage and stage.status in ("hold", "expired") and not stage.runs:
        ended_at = max(stage.start, span.start)
        _end(result, span.pause, ended_at)
        end_with_subscription(result, ended_at - timedelta.resolution)  # expired after a hold


def end_all_with_subscription(result: Standing) -> None:
    """The same for every pause that would go on after the last fact."""
    for span in result.history.pause_spans():
        end_with_subscription(result, span.end - timedelta.resolution)


def drop_lost(result: Standing, spans: Sequence[PauseSpan], fact: facts.AnyFact) -> None:
    """A scheduled pause whose start was moved behind its end by a fact is over with it."""
    left = {span.pause.fact_id for span in result.history.pause_spans()}
    for span in spans:
        if span.pause.fact_id not in left:
            result.pause_ends[span.pause.fact_id] = fact.fact_id
            _end(result, span.pause, fact.at)


def _end(result: Standing, pause: Pause, at: datetime) -> None:
    result.history = result.history.with_pause(replace(pause, ended_at=at))
