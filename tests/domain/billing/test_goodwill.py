"""Days of goodwill: the current period ends later, and what follows moves with it."""

from datetime import timedelta

import pytest

from contracts import billing, commands, payments
from contracts.values import Interval
from tests.domain.billing.test_pauses import (
    DAY,
    END,
    bounds,
    offering,
    refusals,
    renewed,
    statuses,
    story_with,
)
from tests.support.story import PRICE, Story, names, utc


def test_the_current_period_and_the_paid_one_behind_it_move() -> None:
    """Invariant 4; the answer names the command."""
    story = renewed(Story().subscribe())
    message = story.message(commands.ExtendPeriod(days=10, reason="outage", operator="op"))
    story.receive(message)
    assert bounds(story, "O-1") == (utc("2025-01-01"), END + 10 * DAY)
    assert bounds(story, "O-2") == (END + 10 * DAY, utc("2027-01-11"))
    told = story.all(billing.PeriodShifted)
    assert [(s.reason, s.fact_id, s.effective_at) for s in told] == [
        ("goodwill", message.cause_id, story.now)
    ] * 2
    assert story.known.history.paid_through == utc("2027-01-11")


def test_days_given_twice_add_up_and_the_next_year_counts_from_there() -> None:
    story = Story().subscribe()
    story.extend(3)
    story.advance(DAY)
    story.extend(4)
    assert bounds(story)[1] == END + 7 * DAY
    story.pay("O-2", "manual")
    assert bounds(story, "O-2") == (END + 7 * DAY, utc("2027-01-08"))


@pytest.mark.parametrize(
    ("at", "days", "after"),
    [
        ("2026-01-03", 10, [("active", "2025-01-01"), ("grace", "2026-01-11")]),
        ("2026-01-20", 5, [("active", "2025-01-01"), ("grace", "2026-01-06"), ("hold", "2026-01-13")]),
    ],
)  # fmt: skip
def test_in_grace_or_hold_the_period_that_ended_ends_later(
    at: str, days: int, after: list[tuple[str, str]]
) -> None:
    story = Story().subscribe()
    story.advance(utc(at))
    story.extend(days)
    assert statuses(story)[: len(after)] == after


def test_between_two_periods_the_days_go_to_the_next_one() -> None:
    """Days before a pause would be lost in it."""
    story = renewed(story_with("at_period_end"))
    story.pause("2026-02-01")
    story.advance(utc("2026-01-11"))
    story.extend(10)
    assert bounds(story, "O-1")[1] == END
    assert bounds(story, "O-2") == (utc("2026-02-01"), utc("2027-02-11"))


def test_behind_a_pause_nothing_paid_is_left_that_could_end_later() -> None:
    story = story_with("at_period_end")
    story.pause("2026-02-01")
    for day in ("2026-01-11", "2026-02-03"):
        story.advance(utc(day))
        story.extend(10)
    assert refusals(story) == ["NOT_ACTIVE"] * 2


def test_while_frozen_pause_and_goodwill_add_up() -> None:
    story = story_with("freeze_term")
    story.advance(utc("2025-03-01"))
    story.pause("2025-04-01")
    story.extend(10)
    story.advance(utc("2025-03-06"))
    story.resume()
    assert bounds(story)[1] == END + 15 * DAY
    assert [(s.reason, s.new.end) for s in story.all(billing.PeriodShifted)] == [
        ("pause", END + 31 * DAY),
        ("goodwill", END + 41 * DAY),
        ("pause", END + 15 * DAY),
    ]


def test_the_date_of_a_cancellation_follows() -> None:
    """Q15."""
    story = Story().subscribe()
    story.cancel()
    story.extend(10)
    changed = story.last(billing.CancellationDateChanged)
    assert (changed.old, changed.new) == (END, END + 10 * DAY)


def test_reminder_and_charge_follow_the_moved_end() -> None:
    story = Story().subscribe()
    story.extend(10)
    story.advance(utc("2026-01-10"))
    assert story.last(billing.RenewalReminderDue).end == END + 10 * DAY
    assert story.last(billing.RenewalChargeRequested).effective_at == END - 4 * DAY
    charge = story.last(payments.ChargeRequested)
    assert charge.period == Interval(start=utc("2026-01-11"), end=utc("2027-01-11"))


def test_a_payment_made_before_the_days_that_arrives_after_them_ends_alike() -> None:
    """12: the days go to the period that ran when they were given."""
    story = Story().subscribe()
    story.advance(utc("2026-01-02"))
    story.extend(10)
    assert bounds(story, "O-1")[1] == END + 10 * DAY
    story.pay("O-2", "manual", at=utc("2025-12-30"))
    assert bounds(story, "O-1")[1] == END
    assert bounds(story, "O-2") == (END, utc("2027-01-11"))


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("unknown", "SUBSCRIPTION_UNKNOWN"),
        ("ordered", "NOT_ACTIVE"),
        ("ended", "SUBSCRIPTION_ENDED"),
        ("open", "NO_END"),
        ("paused", "NOT_ACTIVE"),
    ],
)
def test_days_without_an_end_that_could_move_are_refused(state: str, code: str) -> None:
    story = Story(policies=offering("at_period_end")) if state == "paused" else Story()
    if state in ("ordered", "ended", "paused"):
        story.order()
    if state == "open":
        story.order(term="unlimited")
    if state in ("ended", "open", "paused"):
        story.pay(amount=PRICE)
    if state == "paused":
        story.pause("2026-03-01")
    if state in ("ended", "paused"):
        story.advance(utc("2026-02-10"))
    history = story.known.history
    assert names(story.extend(5)) == ["billing.command-refused"]
    assert refusals(story) == [code]
    assert story.known.history == history
    assert timedelta(0) == sum((p.shift for p in history.periods), timedelta(0))


def test_what_moved_tells_where_it_lay_before() -> None:
    """Bounds that were told, an end of an unlimited period included."""
    story = renewed(Story().subscribe())
    story.extend(10)
    first, second = story.all(billing.PeriodShifted)
    assert (first.old.start, first.old.end) == (utc("2025-01-01"), END)
    assert (second.old.start, second.old.end) == (END, utc("2027-01-01"))
    assert (second.new.start, second.new.end) == (END + 10 * DAY, utc("2027-01-11"))


def test_an_unlimited_period_behind_the_days_begins_later_and_stays_unlimited() -> None:
    story = Story().subscribe()
    story.order("O-2", term="unlimited")
    story.pay("O-2", period=Interval(start=END))
    story.extend(10)
    assert bounds(story, "O-2") == (END + 10 * DAY, None)
    shifted = story.last(billing.PeriodShifted)
    assert (shifted.old.end, shifted.new.end) == (None, None)
    assert [s.identity for s in story.stages] == [s.identity for s in story.billing_stages]


def test_days_that_were_told_are_not_the_reason_of_a_later_move() -> None:
    story = renewed(Story().subscribe())
    story.advance(DAY)
    story.extend(10)
    story.pay("O-3", "manual", at=utc("2025-12-01"))
    told = [o for o in story.said if isinstance(o.data, billing.PeriodShifted)][-1]
    shifted = story.last(billing.PeriodShifted)
    assert (shifted.period_id, shifted.reason) == (story.period("O-2"), "reordered")
    assert shifted.new.start == utc("2027-01-11")
    assert told.time == shifted.effective_at == utc("2025-12-20")


def test_beside_an_open_period_the_days_go_to_the_one_that_began_last() -> None:
    story = Story()
    story.order(term="unlimited")
    story.pay()
    ahead = Interval(start=utc("2025-02-01"), end=utc("2025-03-01"))
    story.pay("O-2", "prepayment", period=ahead)
    story.advance(utc("2025-02-15"))
    story.extend(5)
    assert refusals(story) == []
    assert bounds(story, "O-2")[1] == utc("2025-03-06")
    assert bounds(story, "O-1")[1] is None
