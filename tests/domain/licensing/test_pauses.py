"""Pauses: what may be used, and what is said, in every mode (T23 to T26, Q17)."""

from datetime import datetime, timedelta

from contracts import licensing
from tests.domain.licensing.tellings import (
    DAY,
    START,
    YEAR,
    Telling,
    Words,
    canceled,
    named,
    pack,
    pause_ended,
    pause_scheduled,
    pause_started,
    shifted,
    taken,
)
from tests.support.story import utc

END = START + YEAR
PAUSED, RESUMES = utc("2025-03-01"), utc("2025-04-30")
WORDS = Words()


def paid(**policy: object) -> Telling:
    """A year is paid."""
    return Telling(pack(**policy)).tell(WORDS.created(), WORDS.period())


def frozen(**policy: object) -> Telling:
    """A year is paid, and its term is frozen for 60 days."""
    telling = paid(**policy).advance(PAUSED)
    telling.tell(pause_started(PAUSED, RESUMES), shifted(1, START, END + 60 * DAY))
    return telling


def test_a_frozen_term_suspends_and_goes_on_where_it_stopped() -> None:
    """T23, T25."""
    telling = frozen()
    assert telling.entitlement.state == "suspended"
    assert [s.state for s in telling.entitlement.schedule][:2] == ["active", "grace"]
    assert telling.last(licensing.Paused).resumes_at == RESUMES
    assert telling.last(licensing.Paused).fact_id == named("pause")
    telling.advance(RESUMES).tell(pause_ended(RESUMES))
    assert telling.events() == [
        ("period-started", "2025-01-01"), ("paused", "2025-03-01"), ("resumed", "2025-04-30"),
    ]  # fmt: skip
    assert telling.entitlements() == [
        ("granted", "active", "2025-01-01"),
        ("suspended", "suspended", "2025-03-01"),
        ("restored", "active", "2025-04-30"),
    ]
    assert telling.entitlement.paid_through == END + 60 * DAY
    telling.advance(END + 60 * DAY)
    assert telling.events()[-2:] == [
        ("period-ended", "2026-03-02"), ("grace-started", "2026-03-02"),
    ]  # fmt: skip


def test_a_pause_ends_by_itself_for_licensing_too() -> None:
    """A pause-ended that never arrives keeps nobody out."""
    telling = frozen().advance(RESUMES)
    assert telling.events()[-1] == ("resumed", "2025-04-30")
    assert telling.entitlement.state == "active"


def test_resumed_early_everything_works_at_once() -> None:
    early = PAUSED + 10 * DAY
    telling = frozen().advance(early)
    telling.tell(pause_ended(early), shifted(1, START, END + 10 * DAY))
    assert telling.events()[-1] == ("resumed", "2025-03-11")
    assert telling.access(early - DAY).state == "suspended"
    assert telling.access(early).valid_until == END + 10 * DAY
    telling.advance(RESUMES + DAY)
    assert telling.events()[-1] == ("resumed", "2025-03-11")


def test_the_first_days_of_a_pause_may_stay_usable() -> None:
    """The pack's pause_grace: suspended only afterwards."""
    telling = frozen(pause_grace=5 * DAY)
    assert telling.entitlement.state == "grace"
    assert telling.entitlement.capabilities.database_updates
    assert telling.entitlement.valid_until == PAUSED + 5 * DAY
    telling.advance(PAUSED + 5 * DAY)
    assert telling.entitlement.state == "suspended"
    assert telling.events()[1:] == [("paused", "2025-03-01")]
    assert [word for word, *_ in telling.entitlements()] == ["granted", "extended", "suspended"]
    telling.advance(RESUMES)
    assert telling.entitlements()[-1] == ("restored", "active", "2025-04-30")


def test_a_pause_that_ends_in_its_usable_days_never_suspends() -> None:
    telling = frozen(pause_grace=5 * DAY).advance(PAUSED + 2 * DAY)
    telling.tell(pause_ended(PAUSED + 2 * DAY), shifted(1, START, END + 2 * DAY))
    words = [word for word, *_ in telling.advance(RESUMES + DAY).entitlements()]
    assert words == ["granted", "extended", "extended"]


def test_a_running_term_ends_on_its_day_with_the_next_one_paid() -> None:
    """Q17: run_term leaves the bounds; the next period begins during the pause."""
    begins, resumes = END - 10 * DAY, END + 20 * DAY
    telling = paid().advance(END - 12 * DAY).tell(WORDS.period(2, END, paid=END - 12 * DAY))
    telling.advance(begins).tell(pause_started(begins, resumes, "run_term"))
    telling.advance(resumes)
    assert telling.events()[1:] == [
        ("paused", "2025-12-22"),
        ("period-ended", "2026-01-01"),
        ("period-started", "2026-01-01"),
        ("subscription-renewed", "2026-01-01"),
        ("resumed", "2026-01-21"),
    ]
    assert telling.state(END + DAY) == "suspended"
    assert telling.access(resumes).paid_through == END + YEAR


def test_a_running_term_that_ends_unpaid_follows_the_end_and_grace_is_not_usable() -> None:
    """Q17, T26."""
    begins, resumes = END - 10 * DAY, END + 3 * DAY
    telling = paid().advance(begins).tell(pause_started(begins, resumes, "run_term"))
    telling.advance(END + 60 * DAY)
    assert telling.events()[1:] == [
        ("paused", "2025-12-22"),
        ("period-ended", "2026-01-01"),
        ("resumed", "2026-01-04"),
        ("grace-started", "2026-01-04"),
        ("grace-ended", "2026-01-08"),
        ("hold-started", "2026-01-08"),
        ("expired", "2026-02-07"),
    ]
    assert telling.state(END + DAY) == "suspended"
    assert telling.state(resumes) == "grace"


def test_a_running_term_whose_pause_outlasts_grace_goes_to_hold() -> None:
    begins, resumes = END - 10 * DAY, END + 30 * DAY
    telling = paid().advance(begins).tell(pause_started(begins, resumes, "run_term"))
    telling.advance(END + 60 * DAY)
    assert telling.events()[2:] == [
        ("period-ended", "2026-01-01"), ("hold-started", "2026-01-08"), ("expired", "2026-02-07"),
    ]  # fmt: skip


def paused_at_end(told: datetime) -> tuple[Telling, datetime]:
    """Two years are paid, with a pause between them that is told at an instant; and when it ends."""
    resumes = END + 60 * DAY
    telling = paid().advance(END - 40 * DAY).tell(WORDS.period(2, END, paid=END - 40 * DAY))
    telling.advance(told)
    telling.tell(pause_scheduled(END - 41 * DAY, END, resumes), shifted(2, resumes, resumes + YEAR))
    return telling, resumes


def test_a_pause_at_the_end_moves_the_next_paid_period_behind_it() -> None:
    """T24, Q17: no renewal, no grace at the end."""
    telling, resumes = paused_at_end(END - 30 * DAY)
    assert telling.access(END - DAY).valid_until == END
    assert telling.entitlement.paid_through == resumes + YEAR
    telling.advance(resumes + DAY)
    assert telling.events()[1:] == [
        ("period-ended", "2026-01-01"),
        ("paused", "2026-01-01"),
        ("period-started", "2026-03-02"),
        ("resumed", "2026-03-02"),
    ]
    assert [telling.state(at) for at in (END - DAY, END, resumes)] == [
        "active", "suspended", "active",
    ]  # fmt: skip


def test_a_pause_at_the_end_that_was_told_late_corrects_the_renewal() -> None:
    telling, resumes = paused_at_end(END + 5 * DAY)
    untrue = [licensing.SubscriptionRenewed, licensing.EntitlementExtended]
    corrected = {id for o in telling.said for id in getattr(o.data, "corrects", None) or ()}
    assert corrected >= {id for kind in untrue for id in telling.ids(kind)}
    assert len(telling.ids(licensing.PeriodStarted)) == 2
    assert telling.ids(licensing.PeriodStarted)[1] in corrected
    assert telling.entitlement.state == "suspended"
    telling.advance(resumes)
    assert telling.events()[-2:] == [("period-started", "2026-03-02"), ("resumed", "2026-03-02")]


def test_a_pause_at_the_end_without_a_paid_period_ends_in_grace() -> None:
    """Q17: unpaid at resume goes T10."""
    resumes = END + 60 * DAY
    telling = paid().tell(pause_scheduled(START + DAY, END, resumes)).advance(END + 120 * DAY)
    assert telling.events()[1:] == [
        ("period-ended", "2026-01-01"),
        ("paused", "2026-01-01"),
        ("resumed", "2026-03-02"),
        ("grace-started", "2026-03-02"),
        ("grace-ended", "2026-03-09"),
        ("hold-started", "2026-03-09"),
        ("expired", "2026-04-08"),
    ]


def test_a_dropped_pause_was_never_said() -> None:
    """Resumed before it began."""
    telling = paid().tell(pause_scheduled(START + DAY, END, END + 60 * DAY))
    telling.advance(START + 9 * DAY).tell(pause_ended(START + 9 * DAY))
    telling.advance(END)
    assert telling.events()[1:] == [("period-ended", "2026-01-01"), ("grace-started", "2026-01-01")]


def test_a_refund_while_paused_ends_access_and_the_pause() -> None:
    """T18: nothing resumes."""
    telling = frozen().advance(PAUSED + DAY)
    telling.tell(taken(1, PAUSED + DAY), pause_ended(PAUSED + DAY)).advance(END)
    assert telling.events()[1:] == [
        ("paused", "2025-03-01"), ("period-ended", "2025-03-02"), ("expired", "2025-03-02"),
    ]  # fmt: skip
    assert telling.entitlement.state == "revoked"


def test_a_pause_that_never_was_is_corrected() -> None:
    """A late fact: the pause was not granted after all."""
    telling = frozen().advance(PAUSED + 20 * DAY)
    telling.tell(
        pause_ended(PAUSED, corrects=telling.ids(licensing.Paused)), shifted(1, START, END)
    )
    resumed = telling.last(licensing.Resumed)
    assert resumed.corrects == telling.ids(licensing.Paused)
    assert resumed.effective_at == telling.now
    restored = telling.last(licensing.EntitlementRestored)
    assert restored.corrects == telling.ids(licensing.EntitlementSuspended)
    assert telling.state(PAUSED + DAY) == "active"


def test_a_resume_that_came_earlier_is_told_late_and_corrected() -> None:
    """Resumed on the 10th, heard after it had resumed by itself."""
    telling = frozen().advance(RESUMES + DAY)
    telling.tell(pause_ended(PAUSED + 10 * DAY), shifted(1, START, END + 10 * DAY))
    resumed = telling.last(licensing.Resumed)
    assert resumed.effective_at == PAUSED + 10 * DAY
    assert resumed.corrects == telling.ids(licensing.Resumed)[:1]
    assert telling.state(PAUSED + 10 * DAY) == "active"


def test_a_pause_told_after_it_was_over_is_told_whole() -> None:
    telling = paid().advance(RESUMES + DAY)
    telling.tell(pause_started(PAUSED, RESUMES), shifted(1, START, END + 60 * DAY))
    assert telling.events()[1:] == [("paused", "2025-03-01"), ("resumed", "2025-04-30")]
    assert telling.entitlements()[-1] == ("restored", "active", "2025-04-30")
    assert telling.entitlement.state == "active"


def test_a_pause_told_late_while_in_grace_ends_with_the_present_word() -> None:
    """The last entitlement told is the present one, whatever older stage was told late."""
    telling = paid().advance(END + DAY)
    telling.tell(pause_started(PAUSED, RESUMES, "run_term"))
    assert telling.entitlement.state == "grace"
    assert telling.entitlements()[-1][1] == "grace"


def test_a_cancellation_during_a_pause_at_the_end_counts_when_it_is_over() -> None:
    """Q15, Q17."""
    resumes = END + 60 * DAY
    telling = paid(cancel_in_grace="at_grace_end")
    telling.tell(pause_scheduled(START + DAY, END, resumes)).advance(END + DAY)
    telling.tell(canceled(END + DAY)).advance(resumes + DAY)
    assert telling.events()[-1] == ("expired", "2026-03-02")


def test_two_pauses_in_a_row_are_two() -> None:
    """One may begin at the very instant at which the other ends."""
    telling = frozen().advance(RESUMES)
    telling.tell(
        pause_started(RESUMES, RESUMES + 10 * DAY, name="second"),
        shifted(1, START, END + 70 * DAY),
    )
    telling.advance(RESUMES + timedelta(days=11))
    assert [name for name, _ in telling.events()] == [
        "period-started", "paused", "resumed", "paused", "resumed",
    ]  # fmt: skip


def test_a_dropped_pause_stays_dropped_when_its_begin_is_told_again() -> None:
    """Only a correction opens it anew."""
    scheduled = pause_scheduled(START + DAY, END, END + 60 * DAY)
    telling = paid().tell(scheduled, pause_ended(START + 9 * DAY))
    telling.tell(scheduled)
    assert telling.license.history.pause_spans() == ()
    telling.tell(scheduled.model_copy(update={"corrects": (named("scheduled"),)}))
    (span,) = telling.license.history.pause_spans()
    assert (span.start, span.end) == (END, END + 60 * DAY)


def test_a_pause_tells_when_it_ends_not_when_its_stage_does() -> None:
    """Its usable days and the end of the term lie before."""
    telling = paid(pause_grace=5 * DAY).advance(END - 9 * DAY)
    until = END + 5 * DAY
    telling.tell(pause_started(END - 9 * DAY, until, "run_term"))
    paused = telling.last(licensing.Paused)
    assert (paused.resumes_at, paused.effective_at) == (until, END - 9 * DAY)


def test_the_end_of_a_pause_tells_the_pause_and_a_renewal_its_payment() -> None:
    telling = frozen().advance(RESUMES)
    assert telling.last(licensing.Paused).fact_id == named("pause")
    assert telling.last(licensing.Resumed).fact_id == named("pause")
    telling.tell(WORDS.period(2, END + 60 * DAY)).advance(END + 60 * DAY)
    assert telling.last(licensing.SubscriptionRenewed).fact_id == named("paid 2")


def test_a_pause_that_ended_goes_on_only_by_a_correction() -> None:
    started = pause_started(PAUSED, RESUMES)
    telling = paid().advance(PAUSED).tell(started, pause_ended(PAUSED + 9 * DAY), started)
    assert telling.license.history.pause_spans()[0].end == PAUSED + 9 * DAY
    telling.tell(started.model_copy(update={"corrects": (named("ended"),)}))
    assert telling.license.history.pause_spans()[0].end == RESUMES
