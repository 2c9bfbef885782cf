"""Pauses in all three modes, with day accounting (S-03, Q17, T23 to T26, 1e)."""

from datetime import datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from contracts import billing, commands, licensing, payments
from contracts.base import Data
from contracts.policy import Policies, ProviderPolicy
from contracts.values import Interval
from tests.support.story import POLICIES, PRICE, Story, names, utc

DAY = timedelta(days=1)
END = utc("2026-01-01")


def offering(*modes: str, provider: str = "online-store", **more: Any) -> Policies:
    """The pack of a provider that offers these pauses."""
    pack = POLICIES.packs[provider][0].model_copy(update={"pause_modes": modes, **more})
    return Policies({provider: (pack,)})


def replaced(since: str, before: str, after: str) -> Policies:
    """A pack that offers one kind of pause, and from a day on a version of it that offers another."""
    old = offering(before).packs["online-store"][0]
    changed = {"effective_from": utc(since).date(), "pause_modes": (after,)}
    new = ProviderPolicy(**dict(old) | changed)  # a copy would keep the cached name of the version
    return Policies({"online-store": (old, new)})


def story_with(*modes: str, provider: str = "online-store", **more: Any) -> Story:
    """A year was paid for on 2025-01-01 at a provider that offers these pauses."""
    return Story(
        provider=provider, policies=offering(*modes, provider=provider, **more)
    ).subscribe()


def renewed(story: Story) -> Story:
    """The year after it is paid as well, and lies ahead, 2025-12-20."""
    story.advance(utc("2025-12-20"))
    story.pay("O-2", "manual")
    return story


def bounds(story: Story, order_id: str = "O-1") -> tuple[datetime, datetime | None]:
    """Where the period of an order lies."""
    period = story.known.period(story.period(order_id))
    assert period
    return period.start, period.end


def refusals(story: Story) -> list[str]:
    """The codes of all refusals."""
    return [refused.code for refused in story.all(billing.CommandRefused)]


def statuses(story: Story) -> list[tuple[str, str]]:
    """The timeline by billing, short."""
    return [
        (s.status, f"{s.start:%Y-%m-%dT%H:%M}".removesuffix("T00:00")) for s in story.billing_stages
    ]


def told(said: list[Data]) -> list[str]:
    """The names of what billing said."""
    return [name for name in names(said) if not name.startswith("licensing.")]


def shifts(story: Story) -> list[tuple[datetime, datetime | None, str]]:
    """Every period-shifted: its new bounds and its reason."""
    return [(s.new.start, s.new.end, s.reason) for s in story.all(billing.PeriodShifted)]


# freeze_term


def test_a_frozen_term_ends_later_by_the_pause_and_resumes_by_itself() -> None:
    """T23, T25: now; the end is told as foreseen at once, and again at an earlier resumption."""
    story = story_with("freeze_term")
    story.advance(utc("2025-03-01"))
    said = story.pause("2025-04-01")
    assert told(said)[:2] == ["billing.period-shifted", "billing.pause-started"]
    assert bounds(story) == (utc("2025-01-01"), END + 31 * DAY)
    assert shifts(story) == [(utc("2025-01-01"), END + 31 * DAY, "pause")]
    assert story.last(billing.PeriodShifted).effective_at == utc("2025-03-01")
    assert story.billing.due_at == utc("2025-04-01")
    story.advance(utc("2025-04-01"))
    ended = story.last(billing.PauseEnded)
    assert ended.effective_at == utc("2025-04-01")
    assert ended.pause_id == story.last(billing.PauseStarted).pause_id == ended.fact_id
    assert statuses(story)[:4] == [
        ("active", "2025-01-01"),
        ("paused", "2025-03-01"),
        ("active", "2025-04-01"),
        ("grace", "2026-02-01"),
    ]
    assert len(shifts(story)) == 1


def test_an_early_resumption_moves_the_end_by_the_time_paused_only() -> None:
    """T25: the events name the command that told them."""
    story = story_with("freeze_term")
    story.advance(utc("2025-03-01"))
    story.pause("2025-04-01")
    paused = story.last(billing.PauseStarted)
    story.advance(utc("2025-03-11T06:30"))
    message = story.message(commands.Resume(channel="account"))
    said = story.receive(message)
    assert told(said)[:2] == ["billing.period-shifted", "billing.pause-ended"]
    assert bounds(story)[1] == END + timedelta(days=10, hours=6, minutes=30)
    ended = story.last(billing.PauseEnded)
    assert (ended.fact_id, ended.pause_id) == (message.cause_id, paused.pause_id)
    assert ended.effective_at == story.last(billing.PeriodShifted).effective_at == story.now
    story.advance(utc("2025-06-01"))
    assert len(story.all(billing.PauseEnded)) == 1


def test_the_period_that_follows_moves_with_a_frozen_one() -> None:
    """Invariant 4: it starts at the current end after shifts."""
    story = renewed(story_with("freeze_term"))
    story.pause("2026-02-18")
    assert bounds(story, "O-1")[1] == bounds(story, "O-2")[0] == END + 60 * DAY
    assert bounds(story, "O-2")[1] == utc("2027-01-01") + 60 * DAY
    story.advance(utc("2025-12-30"))
    story.resume()
    assert bounds(story, "O-1")[1] == bounds(story, "O-2")[0] == END + 10 * DAY
    assert story.known.history.paid_through == utc("2027-01-01") + 10 * DAY
    told = {s.period_id: s.new.end for s in story.all(billing.PeriodShifted)}
    assert told == {p.period_id: p.end for p in story.known.history.periods}


def test_three_pauses_on_one_day_net_to_the_time_paused() -> None:
    """1e, Kill Bill 258."""
    story = story_with("freeze_term")
    for hour in (3, 9, 15):
        story.advance(utc(f"2025-03-01T{hour:02}:00"))
        story.pause("2025-04-01")
        story.advance(timedelta(hours=2, seconds=1))
        story.resume()
    assert refusals(story) == []
    assert bounds(story)[1] == END + 3 * timedelta(hours=2, seconds=1)


def test_pausing_and_resuming_at_one_instant_changes_nothing() -> None:
    story = story_with("freeze_term")
    story.advance(utc("2025-03-01"))
    for _ in range(3):
        story.pause("2025-04-01")
        story.resume()
    assert refusals(story) == []
    assert bounds(story)[1] == END
    assert len(story.all(billing.PauseStarted)) == len(story.all(billing.PauseEnded)) == 3


def test_an_unlimited_subscription_pauses_and_goes_on_unlimited() -> None:
    """1e: no end to move."""
    story = Story(policies=offering("freeze_term"))
    story.order(term="unlimited")
    story.pay()
    story.advance(utc("2025-03-01"))
    story.pause("2025-04-01")
    story.advance(utc("2025-05-01"))
    assert statuses(story) == [
        ("active", "2025-01-01"),
        ("paused", "2025-03-01"),
        ("active", "2025-04-01"),
    ]
    assert shifts(story) == []


def test_prepaid_days_of_an_unlimited_subscription_are_credited() -> None:
    """1e: the prepaid end moves."""
    story = Story(policies=offering("freeze_term"))
    story.order(term="unlimited")
    story.pay(period=Interval(start=utc("2025-01-01"), end=utc("2025-07-01")))
    story.advance(utc("2025-03-01"))
    story.pause("2025-03-31")
    assert bounds(story)[1] == utc("2025-07-31")


@pytest.mark.parametrize(
    ("anchor", "paused_days", "ends"),
    [
        ("2025-01-31", 0, ["2025-02-28", "2025-03-31", "2025-04-30"]),
        ("2025-01-31", 2, ["2025-03-02", "2025-04-02", "2025-05-02"]),
        ("2025-01-31", 31, ["2025-03-31", "2025-04-30", "2025-05-31"]),
    ],
)
def test_months_are_counted_from_the_end_that_a_pause_moved(
    anchor: str, paused_days: int, ends: list[str]
) -> None:
    """3e: after a shift the chain counts from the moved end; without one from the first day."""
    story = Story(policies=offering("freeze_term"), now=utc(anchor))
    story.order(term="P1M")
    story.pay()
    story.advance(DAY)
    if paused_days:
        story.pause(story.now + paused_days * DAY)
        story.advance(paused_days * DAY)
    for number in (2, 3):
        story.pay(f"O-{number}", "manual")
    assert [p.end for p in story.known.history.periods] == [utc(end) for end in ends]


# run_term


def test_a_term_that_runs_keeps_its_bounds() -> None:
    story = renewed(story_with("run_term"))
    story.pause("2026-02-01")
    story.advance(utc("2026-03-01"))
    assert shifts(story) == []
    assert bounds(story, "O-2") == (END, utc("2027-01-01"))
    assert statuses(story)[:4] == [
        ("active", "2025-01-01"),
        ("paused", "2025-12-20"),
        ("paused", "2026-01-01"),
        ("active", "2026-02-01"),
    ]


def test_a_running_term_that_ends_unpaid_while_paused_goes_the_usual_way_without_usable_grace() -> (
    None
):
    """T26, Q17: grace is not usable while paused; nothing is charged, and the pause ends by itself."""
    story = story_with("run_term")
    story.advance(utc("2025-12-10"))
    story.pause("2026-01-05")
    story.advance(utc("2026-06-01"))
    assert statuses(story) == [
        ("active", "2025-01-01"),
        ("paused", "2025-12-10"),
        ("paused", "2026-01-01"),
        ("grace", "2026-01-05"),
        ("hold", "2026-01-08"),
        ("expired", "2026-02-07"),
    ]
    assert story.last(billing.PauseEnded).effective_at == utc("2026-01-05")
    charges = story.all(billing.RenewalChargeRequested)
    assert [charge.effective_at for charge in charges] == [utc("2026-01-05")]


def test_a_pause_is_over_when_the_subscription_ends_in_it() -> None:
    """T26: without grace and hold it expires at its end; what is bought later is not paused."""
    none = timedelta(0)
    story = story_with("run_term", grace=none, hold=none)
    story.advance(utc("2025-12-10"))
    story.pause("2026-02-10")
    story.advance(utc("2026-01-10"))
    assert story.last(billing.PauseEnded).effective_at == END
    story.order("O-2")
    story.pay("O-2")
    assert statuses(story)[-2:] == [("active", "2026-01-10"), ("expired", "2027-01-10")]


def test_a_pause_is_over_when_its_grace_is_and_a_payment_in_hold_is_not_paused() -> None:
    """T14, T26."""
    story = story_with("run_term")
    story.advance(utc("2025-12-10"))
    story.pause("2026-03-01")
    story.advance(utc("2026-01-20"))
    assert story.last(billing.PauseEnded).effective_at == utc("2026-01-08")
    story.pay("O-2", "manual")
    assert statuses(story)[2:5] == [
        ("paused", "2026-01-01"),
        ("hold", "2026-01-08"),
        ("active", "2026-01-20"),
    ]


# at_period_end


def test_a_pause_at_the_period_end_begins_there_and_the_next_period_follows_it() -> None:
    """T24: with a paid period ahead."""
    story = renewed(story_with("at_period_end"))
    said = story.pause("2026-02-01")
    assert told(said)[:2] == ["billing.pause-scheduled", "billing.period-shifted"]
    scheduled = story.last(billing.PauseScheduled)
    assert (scheduled.starts_at, scheduled.resumes_at) == (END, utc("2026-02-01"))
    assert scheduled.follows == story.period("O-1")
    assert bounds(story, "O-1")[1] == END
    assert bounds(story, "O-2") == (utc("2026-02-01"), utc("2027-02-01"))
    assert story.all(billing.PauseStarted) == []
    story.advance(utc("2026-01-15"))
    assert story.last(billing.PauseStarted).effective_at == END
    story.advance(utc("2026-03-01"))
    assert story.last(billing.PauseEnded).effective_at == utc("2026-02-01")
    assert statuses(story)[:4] == [
        ("active", "2025-01-01"),
        ("paused", "2026-01-01"),
        ("active", "2026-02-01"),
        ("grace", "2027-02-01"),
    ]


def test_told_late_a_pause_at_the_period_end_shows_no_grace_and_pauses_once() -> None:
    """T24, Q17: the pause is told before the period that it moves."""
    story = renewed(story_with("at_period_end", provider="isp-classic"))
    story.advance(utc("2026-01-10"))
    story.publish(
        payments.PauseRequested(mode="at_period_end", resumes_at=utc("2026-02-01")),
        at=utc("2025-12-22"),
    )
    paused = story.last(licensing.Paused)
    assert (paused.effective_at, paused.period_id) == (END, story.period("O-1"))
    assert len(story.all(licensing.Paused)) == 1
    assert story.all(licensing.GraceStarted) == story.all(licensing.GraceRetracted) == []
    assert statuses(story)[:3] == [
        ("active", "2025-01-01"),
        ("paused", "2026-01-01"),
        ("active", "2026-02-01"),
    ]
    story.advance(utc("2026-02-02"))
    assert story.last(licensing.Resumed).effective_at == utc("2026-02-01")


def test_a_late_payment_that_changes_which_period_a_pause_follows_tells_it_again() -> None:
    """T24: who knows the pause by the period it follows hears of the other one."""
    story = story_with("at_period_end")
    story.advance(utc("2025-12-01"))
    story.pause("2026-02-01")
    scheduled = [o.id for o in story.said if isinstance(o.data, billing.PauseScheduled)]
    story.order("O-0")
    story.pay("O-0", at=utc("2024-12-20"))
    again = story.last(billing.PauseScheduled)
    assert (again.follows, again.starts_at) == (story.period("O-0"), utc("2025-12-20"))
    assert again.corrects == tuple(scheduled)
    story.advance(utc("2026-02-02"))
    assert len(story.all(billing.PauseScheduled)) == 2
    spans = story.licensing.history.pause_spans(), story.known.history.pause_spans()
    assert [[(s.start, s.end) for s in found] for found in spans] == [
        [(utc("2025-12-20"), utc("2026-02-01"))]
    ] * 2
    assert story.last(licensing.Paused).period_id == story.period("O-0")


def test_without_a_paid_period_ahead_the_renewal_is_charged_before_the_pause_ends() -> None:
    """Q17: at resume - lead; the reminder follows, too."""
    story = story_with("at_period_end")
    story.advance(utc("2025-06-01"))
    story.pause("2026-03-01")
    story.advance(utc("2026-02-28"))
    reminder = story.last(billing.RenewalReminderDue)
    assert (reminder.effective_at, reminder.end) == (utc("2026-01-30"), utc("2026-03-01"))
    assert reminder.charge_on == utc("2026-02-15")
    charge = story.last(payments.ChargeRequested)
    assert story.last(billing.RenewalChargeRequested).effective_at == utc("2026-02-15")
    assert charge.period == Interval(start=utc("2026-03-01"), end=utc("2027-03-01"))
    assert charge.charge_by == utc("2026-03-01") + 37 * DAY
    story.renew("O-2")
    assert bounds(story, "O-2") == (utc("2026-03-01"), utc("2027-03-01"))
    story.advance(utc("2026-04-01"))
    assert statuses(story)[:3] == [
        ("active", "2025-01-01"),
        ("paused", "2026-01-01"),
        ("active", "2026-03-01"),
    ]


def test_unpaid_when_the_pause_ends_it_goes_into_grace() -> None:
    """Q17: T10, T11 at the resumption."""
    story = story_with("at_period_end")
    story.advance(utc("2025-06-01"))
    story.pause("2026-03-01")
    story.advance(utc("2026-12-01"))
    assert statuses(story) == [
        ("active", "2025-01-01"),
        ("paused", "2026-01-01"),
        ("grace", "2026-03-01"),
        ("hold", "2026-03-08"),
        ("expired", "2026-04-07"),
    ]


def test_resuming_before_a_scheduled_pause_begins_drops_it() -> None:
    """The paid period ahead moves back; the pause never starts."""
    story = renewed(story_with("at_period_end"))
    story.pause("2026-02-01")
    story.advance(DAY)
    said = story.resume()
    assert told(said)[:2] == ["billing.period-shifted", "billing.pause-ended"]
    assert bounds(story, "O-2") == (END, utc("2027-01-01"))
    story.advance(utc("2026-03-01"))
    assert story.all(billing.PauseStarted) == []
    assert len(story.all(billing.PauseEnded)) == 1
    assert [status for status, _ in statuses(story)[:3]] == ["active", "active", "grace"]


def test_resuming_after_a_scheduled_pause_began_starts_the_next_period_now() -> None:
    story = renewed(story_with("at_period_end"))
    story.pause("2026-02-01")
    story.advance(utc("2026-01-11"))
    story.resume()
    assert bounds(story, "O-2") == (utc("2026-01-11"), utc("2027-01-11"))
    assert story.last(billing.PauseEnded).effective_at == utc("2026-01-11")
    assert statuses(story)[:3] == [
        ("active", "2025-01-01"),
        ("paused", "2026-01-01"),
        ("active", "2026-01-11"),
    ]


def test_resuming_early_without_a_paid_period_asks_for_the_charge_at_once() -> None:
    story = story_with("at_period_end")
    story.advance(utc("2025-06-01"))
    story.pause("2026-03-01")
    story.advance(utc("2026-01-11"))
    assert story.all(payments.ChargeRequested) == []
    assert "payments.charge-requested" in told(story.resume())
    assert statuses(story)[2] == ("grace", "2026-01-11")
    story.renew("O-2")
    assert bounds(story, "O-2")[0] == utc("2026-01-11")


def test_goodwill_moves_the_start_of_a_scheduled_pause_but_not_its_end() -> None:
    story = renewed(story_with("at_period_end"))
    story.pause("2026-02-01")
    story.extend(10)
    scheduled = story.all(billing.PauseScheduled)
    assert [s.starts_at for s in scheduled] == [END, END + 10 * DAY]
    assert scheduled[1].corrects
    assert bounds(story, "O-1")[1] == END + 10 * DAY
    assert bounds(story, "O-2")[0] == utc("2026-02-01")
    story.advance(utc("2026-02-02"))
    assert story.last(billing.PauseStarted).effective_at == END + 10 * DAY


def test_goodwill_that_reaches_over_a_scheduled_pause_drops_it() -> None:
    story = renewed(story_with("at_period_end"))
    story.pause("2026-01-08")
    story.extend(10)
    assert story.last(billing.PauseEnded).effective_at == story.now
    assert bounds(story, "O-2")[0] == bounds(story, "O-1")[1] == END + 10 * DAY
    story.advance(utc("2026-02-01"))
    assert story.all(billing.PauseStarted) == []


def test_a_period_given_by_the_provider_inside_a_scheduled_pause_starts_after_it() -> None:
    """Q3, T24: paid time is never spent while paused."""
    story = story_with("at_period_end")
    story.advance(utc("2025-12-01"))
    story.pause("2026-02-01")
    given = Interval(start=END, end=utc("2027-01-01"))
    story.pay("O-2", "prepayment", period=given)
    assert bounds(story, "O-2") == (utc("2026-02-01"), utc("2027-02-01"))
    assert story.last(billing.PeriodScheduled).start == utc("2026-02-01")


# refused


@pytest.mark.parametrize(
    ("resumes_at", "code"),
    [
        (None, "RESUME_DATE_MISSING"),
        ("2025-03-01", "RESUME_DATE_PAST"),
        ("2025-02-01", "RESUME_DATE_PAST"),
        ("2025-05-30T00:01", "PAUSE_TOO_LONG"),
        ("2025-05-30", None),
    ],
)
def test_a_pause_needs_an_end_within_the_cap(resumes_at: str | None, code: str | None) -> None:
    """Q17: 90 days at most."""
    story = story_with("freeze_term")
    story.advance(utc("2025-03-01"))
    story.pause(resumes_at)
    assert refusals(story) == ([code] if code else [])


@pytest.mark.parametrize(
    ("resumes_at", "code"),
    [("2025-12-31", "RESUME_DATE_PAST"), ("2026-01-01", "RESUME_DATE_PAST"),
     ("2026-04-01T00:01", "PAUSE_TOO_LONG"), ("2026-04-01", None)],
)  # fmt: skip
def test_a_scheduled_pause_counts_from_the_end_of_the_period(
    resumes_at: str, code: str | None
) -> None:
    story = story_with("at_period_end")
    story.advance(utc("2025-03-01"))
    story.pause(resumes_at)
    assert refusals(story) == ([code] if code else [])


def unpaid(story: Story) -> None:
    story.order("O-1")


def in_grace(story: Story) -> None:
    story.subscribe().advance(utc("2026-01-02"))


def in_hold(story: Story) -> None:
    story.subscribe().advance(utc("2026-01-20"))


def expired(story: Story) -> None:
    story.subscribe().advance(utc("2026-06-01"))


def canceled(story: Story) -> None:
    story.subscribe().cancel()


def upcoming_refunded(story: Story) -> None:
    renewed(story.subscribe())
    story.refunded("O-2")


def refund_open(story: Story) -> None:
    story.subscribe().request_refund()


def disputed(story: Story) -> None:
    story.subscribe().publish(
        payments.DisputeOpened(order_id="O-1", dispute_id="D-1", amount=PRICE)
    )


def paused(story: Story) -> None:
    story.subscribe().pause(story.now + 30 * DAY, "freeze_term")


def scheduled(story: Story) -> None:
    story.subscribe().pause(utc("2026-02-01"), "at_period_end")


@pytest.mark.parametrize(
    ("before", "code"),
    [
        (unpaid, "NOT_ACTIVE"),
        (in_grace, "NOT_ACTIVE"),
        (in_hold, "NOT_ACTIVE"),
        (expired, "NOT_ACTIVE"),
        (canceled, "CANCELLATION_SCHEDULED"),
        (upcoming_refunded, "CANCELLATION_SCHEDULED"),
        (refund_open, "REFUND_OPEN"),
        (disputed, "DISPUTE_OPEN"),
        (paused, "PAUSE_OPEN"),
        (scheduled, "PAUSE_OPEN"),
    ],
)
@pytest.mark.parametrize("at_provider", [False, True])
def test_a_pause_is_refused_and_changes_nothing(before: Any, code: str, at_provider: bool) -> None:
    """S-03, 1e: the same guards for commands and for requests at the provider."""
    story = Story(policies=offering("freeze_term", "at_period_end", hold_on_dispute=True))
    before(story)
    history, until = story.known.history, story.now + 20 * DAY
    if at_provider:
        said = story.publish(payments.PauseRequested(resumes_at=until))
    else:
        said = story.pause(until)
    assert names(said) == ["billing.command-refused"]
    assert refusals(story) == [code]
    command = "payments.pause-requested.v1" if at_provider else "billing.pause.v1"
    assert story.last(billing.CommandRefused).command == command
    assert story.known.history == history


@pytest.mark.parametrize(
    ("modes", "asked"),
    [((), None), ((), "freeze_term"), (("at_period_end",), "freeze_term")],
)
def test_a_pause_that_is_not_offered_is_refused_with_the_link(
    modes: tuple[str, ...], asked: Any
) -> None:
    """S-03."""
    story = story_with(*modes)
    story.pause(story.now + 30 * DAY, asked)
    assert refusals(story) == ["CAPABILITY_NOT_OFFERED"]
    assert story.last(billing.CommandRefused).link == (
        "https://store.example.com/subscriptions/R-1"
    )


def test_without_a_mode_it_is_the_usual_one_of_the_provider() -> None:
    story = story_with("run_term", "freeze_term")
    story.pause(story.now + 30 * DAY)
    assert story.last(billing.PauseStarted).mode == "run_term"


def test_a_subscription_without_an_end_cannot_pause_at_it() -> None:
    story = Story(policies=offering("at_period_end"))
    story.order(term="unlimited")
    story.pay()
    story.pause(story.now + 30 * DAY)
    assert refusals(story) == ["NO_END"]


def test_resuming_what_does_not_pause_is_refused() -> None:
    story = story_with("freeze_term")
    story.resume()
    story.publish(payments.ResumeRequested())
    assert refusals(story) == ["NOT_PAUSED", "NOT_PAUSED"]
    assert [r.command for r in story.all(billing.CommandRefused)] == [
        "billing.resume.v1",
        "payments.resume-requested.v1",
    ]


def test_after_a_pause_the_next_may_follow_at_once() -> None:
    story = story_with("freeze_term")
    story.pause(story.now + 10 * DAY)
    story.advance(10 * DAY)
    story.pause(story.now + 10 * DAY)
    assert refusals(story) == []
    assert bounds(story)[1] == END + 20 * DAY


def test_the_version_of_the_period_decides_not_the_latest() -> None:
    """S-14d: what was bought under a pack keeps its pauses."""
    story = Story(policies=replaced("2025-02-01", "freeze_term", "run_term")).subscribe()
    story.advance(utc("2025-03-01"))
    story.pause("2025-04-01", "run_term")
    assert refusals(story) == ["CAPABILITY_NOT_OFFERED"]
    story.pause("2025-04-01")
    assert story.last(billing.PauseStarted).mode == "freeze_term"


# charges and reminders


@pytest.mark.parametrize("mode", ["freeze_term", "run_term", "at_period_end"])
def test_an_open_charge_is_withdrawn_by_a_pause_and_asked_for_again_after_it(mode: str) -> None:
    """1e: no charges while paused."""
    story = story_with("freeze_term", "run_term", "at_period_end")
    story.advance(utc("2025-12-20"))
    assert len(story.all(payments.ChargeRequested)) == 1
    resumes_at = "2026-02-01" if mode == "at_period_end" else "2025-12-27"
    story.pause(resumes_at, mode)
    assert [w.reason for w in story.all(payments.ChargeWithdrawn)] == ["paused"]
    story.advance(utc(resumes_at))
    first, second = story.all(payments.ChargeRequested)
    assert first.charge_id != second.charge_id
    asked_again = story.last(billing.RenewalChargeRequested).effective_at
    expected = "2026-01-18" if mode == "at_period_end" else "2025-12-27"
    assert asked_again == utc(expected)


def test_no_reminder_falls_into_a_pause() -> None:
    story = story_with("run_term")
    story.advance(utc("2025-11-20"))
    story.pause("2025-12-10")
    story.advance(utc("2026-01-01"))
    assert [r.effective_at for r in story.all(billing.RenewalReminderDue)] == [utc("2025-12-10")]


def test_a_reminder_whose_end_a_pause_moves_is_retracted_and_comes_again() -> None:
    story = story_with("freeze_term")
    story.advance(utc("2025-12-05"))
    story.pause("2026-01-05")
    retracted = story.last(billing.ReminderRetracted)
    assert (retracted.renews, retracted.end) == (story.period("O-1"), END)
    story.advance(utc("2026-02-01"))
    reminders = story.all(billing.RenewalReminderDue)
    assert [r.end for r in reminders] == [END, END + 31 * DAY]
    assert reminders[1].effective_at == utc("2026-01-05")


def test_a_renewal_paid_while_paused_follows_the_moved_end() -> None:
    """A success of the charge that was withdrawn counts all the same."""
    story = story_with("freeze_term")
    story.advance(utc("2025-12-20"))
    charge = story.last(payments.ChargeRequested)
    story.pause("2026-01-19")
    story.pay("O-2", "renewal", charge_id=charge.charge_id, period=charge.period)
    assert story.all(billing.PaymentRefused) == []
    assert bounds(story, "O-2") == (END + 30 * DAY, utc("2027-01-31"))
    story.advance(utc("2026-01-09"))
    story.resume()
    assert bounds(story, "O-2") == (END + 20 * DAY, utc("2027-01-21"))
    story.advance(utc("2026-06-01"))
    assert len(story.all(payments.ChargeRequested)) == 1


# refunds and cancellations while paused


def test_a_refund_of_the_current_period_ends_the_pause() -> None:
    """T18: the pause counts until then, and nothing resumes later."""
    story = story_with("freeze_term")
    story.advance(utc("2025-01-10"))
    story.pause("2025-03-01")
    story.advance(utc("2025-01-20"))
    story.refunded()
    assert story.last(billing.PauseEnded).effective_at == utc("2025-01-20")
    assert bounds(story)[1] == END + 10 * DAY
    assert statuses(story) == [
        ("active", "2025-01-01"),
        ("paused", "2025-01-10"),
        ("expired", "2025-01-20"),
    ]
    story.advance(utc("2025-06-01"))
    assert len(story.all(billing.PauseEnded)) == 1


def test_a_refund_of_the_latest_period_in_a_pause_behind_it_expires_at_once() -> None:
    """Q9."""
    story = story_with("at_period_end")
    story.advance(utc("2025-06-01"))
    story.pause("2026-03-01")
    story.advance(utc("2026-01-11"))
    story.refunded()
    assert statuses(story)[-1] == ("expired", "2026-01-11")
    assert story.last(billing.PauseEnded).effective_at == utc("2026-01-11")


def test_a_refund_of_an_elapsed_period_leaves_a_pause_before_the_next_one() -> None:
    """Q9: money only."""
    story = renewed(story_with("at_period_end"))
    story.pause("2026-02-01")
    story.advance(utc("2026-01-11"))
    story.refunded()
    assert story.last(billing.RefundInitiated).effect == "none"
    assert statuses(story)[:3] == [
        ("active", "2025-01-01"),
        ("paused", "2026-01-01"),
        ("active", "2026-02-01"),
    ]


def test_cancelling_while_paused_moves_its_date_with_the_end() -> None:
    """Q15: allowed while paused; paid_through and cancel_at follow the shifts."""
    story = story_with("freeze_term")
    story.advance(utc("2025-03-01"))
    story.pause("2025-04-01")
    story.cancel()
    assert story.last(billing.CancellationScheduled).cancel_at == END + 31 * DAY
    story.advance(utc("2025-03-11"))
    story.resume()
    changed = story.last(billing.CancellationDateChanged)
    assert (changed.old, changed.new) == (END + 31 * DAY, END + 10 * DAY)
    assert story.known.history.paid_through == END + 10 * DAY
    story.advance(utc("2026-06-01"))
    assert statuses(story)[-1] == ("expired", "2026-01-11")


def test_cancelling_in_a_pause_at_the_end_ends_it_now() -> None:
    """Q15: nothing is paid ahead; a new order starts a life that is not paused."""
    story = story_with("at_period_end")
    story.advance(utc("2025-06-01"))
    story.pause("2026-03-01")
    story.advance(utc("2026-01-11"))
    story.cancel()
    assert story.last(billing.PauseEnded).effective_at == utc("2026-01-11")
    stage = story.known.stage(story.now)
    assert stage
    assert stage.status == "expired"
    story.advance(utc("2026-01-12"))
    story.order("O-2")
    story.pay("O-2")
    assert statuses(story)[1:4] == [
        ("paused", "2026-01-01"),
        ("expired", "2026-01-11"),
        ("active", "2026-01-12"),
    ]


def test_cancelling_in_a_pause_keeps_the_paid_period_behind_it() -> None:
    """6: cancelling never shortens paid time."""
    story = renewed(story_with("at_period_end"))
    story.pause("2026-02-01")
    story.advance(utc("2026-01-11"))
    story.cancel()
    assert story.last(billing.CancellationScheduled).cancel_at == utc("2027-02-01")
    assert statuses(story)[1:] == [
        ("paused", "2026-01-01"),
        ("active", "2026-02-01"),
        ("expired", "2027-02-01"),
    ]


# asked for at the provider, in any order of arrival


def test_a_pause_at_the_provider_is_granted_by_the_same_rules() -> None:
    story = story_with("freeze_term", provider="isp-classic")
    story.advance(utc("2025-03-01"))
    story.publish(payments.PauseRequested(resumes_at=utc("2025-04-01")))
    assert story.last(billing.PauseStarted).channel == "provider"
    story.advance(utc("2025-03-11"))
    story.publish(payments.ResumeRequested())
    assert story.last(billing.PauseEnded).effective_at == utc("2025-03-11")
    assert bounds(story)[1] == END + 10 * DAY


def test_a_pause_that_comes_before_its_payment_is_refused_and_then_granted() -> None:
    """The refusal is corrected by the event that names it."""
    story = Story(provider="isp-classic")
    story.order()
    story.now = utc("2025-02-01")
    story.publish(payments.PauseRequested(resumes_at=utc("2025-03-01")), at=utc("2025-01-15"))
    assert refusals(story) == ["NOT_ACTIVE"]
    refused = [o.id for o in story.said if isinstance(o.data, billing.CommandRefused)]
    story.pay(at=utc("2025-01-01"))
    started = story.last(billing.PauseStarted)
    assert started.corrects == tuple(refused)
    assert bounds(story)[1] == END + 45 * DAY


def test_a_cancellation_older_than_a_granted_pause_takes_it_back() -> None:
    """The pause of the provider is judged anew; one that a command was granted stays."""
    story = story_with("freeze_term", provider="isp-classic")
    story.now = utc("2025-02-01")
    story.publish(payments.PauseRequested(resumes_at=utc("2025-03-01")), at=utc("2025-01-20"))
    started = next(o.id for o in story.said if isinstance(o.data, billing.PauseStarted))
    story.publish(payments.CancellationRequested(channel="provider"), at=utc("2025-01-10"))
    ended = story.last(billing.PauseEnded)
    assert (ended.effective_at, ended.corrects) == (utc("2025-01-20"), (started,))
    assert refusals(story) == ["CANCELLATION_SCHEDULED"]
    assert bounds(story)[1] == END
    assert story.last(billing.CancellationScheduled).cancel_at == END

    kept = story_with("freeze_term", provider="isp-classic")
    kept.advance(utc("2025-01-20"))
    kept.pause("2025-03-01")
    kept.publish(payments.CancellationRequested(channel="provider"), at=utc("2025-01-10"))
    assert kept.all(billing.PauseEnded) == []
    assert bounds(kept)[1] == END + 40 * DAY


def test_a_pause_at_the_provider_that_is_heard_of_late_ends_where_a_granted_one_began() -> None:
    """No instant is paused twice: the answer to the command stays."""
    story = story_with("freeze_term", provider="isp-classic")
    story.advance(utc("2025-03-10"))
    story.pause("2025-04-10")
    story.publish(payments.PauseRequested(resumes_at=utc("2025-05-01")), at=utc("2025-03-01"))
    assert bounds(story)[1] == END + 40 * DAY
    story.advance(utc("2025-06-01"))
    assert [e.effective_at for e in story.all(billing.PauseEnded)] == [
        utc("2025-03-10"),
        utc("2025-04-10"),
    ]


def happenings(story: Story) -> list[Any]:
    """What the provider tells of a year with a pause, a renewal in it and a resumption."""
    told = [
        (payments.OrderPlaced(**story.order_data()), "2025-01-01"),
        (payments.PaymentSucceeded(order_id="O-1", kind="initial", amount=PRICE), "2025-01-01"),
        (payments.PauseRequested(resumes_at=utc("2025-08-01")), "2025-06-01"),
        (payments.PaymentSucceeded(order_id="O-2", kind="manual", amount=PRICE), "2025-06-15"),
        (payments.ResumeRequested(), "2025-07-01"),
    ]
    return [story.message(data, utc(at)) for data, at in told]


@pytest.mark.parametrize("order", tuple(permutations(range(5))))
def test_a_pause_told_in_any_order_of_arrival_ends_alike(order: tuple[int, ...]) -> None:
    """12: a payment before the pause that arrives after it, a resumption before its pause, and so on."""
    story = Story(provider="isp-classic", now=utc("2025-07-02"))
    messages = happenings(story)
    for position in order:
        story.receive(messages[position])
    assert statuses(story)[:5] == [
        ("active", "2025-01-01"),
        ("paused", "2025-06-01"),
        ("active", "2025-07-01"),
        ("active", "2026-01-31"),
        ("grace", "2027-01-31"),
    ]
    assert story.last(billing.PauseEnded).effective_at == utc("2025-07-01")
    assert shifted_bounds(story) == {p.period_id: p.end for p in story.known.history.periods}


def shifted_bounds(story: Story) -> dict[Any, datetime | None]:
    """Where the periods end as they were told, the last word counting."""
    told: dict[Any, datetime | None] = {}
    for outgoing in story.said:
        if isinstance(outgoing.data, billing.PeriodScheduled):
            told[outgoing.data.period_id] = outgoing.data.end
        if isinstance(outgoing.data, billing.PeriodShifted):
            told[outgoing.data.period_id] = outgoing.data.new.end
    return told


@pytest.mark.parametrize(
    ("mode", "until", "starts"),
    [("run_term", "2026-01-05", "2026-01-01"), ("at_period_end", "2026-02-01", "2026-02-01")],
)
def test_paid_after_the_end_while_paused_it_follows_the_end(
    mode: str, until: str, starts: str
) -> None:
    """T12, T24: a pause keeps the chain of periods."""
    story = story_with(mode)
    story.advance(utc("2025-12-10"))
    story.pause(until)
    story.advance(utc("2026-01-03"))
    story.pay("O-2", "manual")
    scheduled = story.last(billing.PeriodScheduled)
    assert (scheduled.start, scheduled.basis) == (utc(starts), "from_end")


@pytest.mark.parametrize(
    ("now", "kinds"),
    [
        ("2026-01-05", [billing.PauseScheduled, billing.PauseScheduled]),
        ("2026-01-15", [billing.PauseScheduled, billing.PauseStarted]),
    ],
    ids=["before it begins", "after"],
)
def test_a_pause_that_began_later_than_told_is_told_again(
    now: str, kinds: list[type[billing.PauseEvent]]
) -> None:
    """12: another pause, of which the provider tells late, moved the end where it begins."""
    story = story_with("freeze_term", "at_period_end", provider="isp-classic")
    story.advance(utc("2025-06-01"))
    story.pause("2026-02-01", "at_period_end")
    story.advance(utc(now))
    ids = [o.id for o in story.said if isinstance(o.data, billing.PauseEvent)]
    pause_id = story.last(billing.PauseStarted).pause_id
    said = story.publish(payments.PauseRequested(resumes_at=utc("2025-03-11")), utc("2025-03-01"))
    told_again = [e for e in said if isinstance(e, billing.PauseEvent) and e.pause_id == pause_id]
    assert [type(event) for event in told_again] == kinds
    assert all(o.time <= story.now for o in story.said)
    assert [event.corrects for event in told_again] == [(id,) for id in ids[:2]]
    assert bounds(story)[1] == utc("2026-01-11")
    assert [s.identity for s in story.stages] == [s.identity for s in story.billing_stages]
    story.advance(utc("2026-03-01"))
    assert story.last(billing.PauseStarted).effective_at == utc("2026-01-11")
    assert story.last(billing.PauseEnded).effective_at == utc("2026-02-01")


def test_a_dropped_pause_that_begins_after_all_is_scheduled_again() -> None:
    """12: the days that dropped it belong to another period, as a late payment shows."""
    story = story_with("at_period_end")
    story.advance(utc("2025-12-01"))
    story.pause("2026-01-05")
    story.advance(DAY)
    story.extend(10)
    assert story.last(billing.PauseEnded).effective_at == story.now
    assert len(story.all(billing.PauseScheduled)) == 1
    story.advance(DAY)
    story.order("O-0")
    story.pay("O-0", at=utc("2024-12-20"))
    assert bounds(story, "O-0")[1] == utc("2025-12-30")
    assert story.last(billing.PauseScheduled).starts_at == utc("2025-12-30")
    assert story.all(billing.PauseStarted) == []
    assert [s.identity for s in story.stages] == [s.identity for s in story.billing_stages]
    story.advance(utc("2026-01-02"))
    assert story.last(billing.PauseStarted).effective_at == utc("2025-12-30")


@pytest.mark.parametrize(
    ("at", "mode"), [("2025-12-21", "freeze_term"), ("2026-01-02", "run_term")]
)
def test_the_version_of_the_period_that_runs_decides(at: str, mode: str) -> None:
    """S-14d: the next period, paid ahead under another version, has its own."""
    story = renewed(Story(policies=replaced("2025-12-01", "freeze_term", "run_term")).subscribe())
    story.advance(utc(at))
    story.pause("2026-01-10")
    assert story.last(billing.PauseStarted).mode == mode


def test_a_pause_whose_begin_an_older_pause_moved_behind_its_end_is_dropped() -> None:
    """T24, 12: as of when it was asked for."""
    story = story_with("freeze_term", "at_period_end", provider="isp-classic")
    story.advance(utc("2025-06-01"))
    story.pause("2026-01-20", "at_period_end")
    story.publish(payments.PauseRequested(resumes_at=utc("2025-03-31")), utc("2025-03-01"))
    assert bounds(story)[1] == END + 30 * DAY
    ended = story.last(billing.PauseEnded)
    assert (ended.pause_id, ended.effective_at) == (
        story.last(billing.PauseScheduled).pause_id, utc("2025-06-01"),
    )  # fmt: skip
    story.advance(utc("2026-01-25"))
    assert len(story.all(billing.PauseStarted)) == 1


def test_a_dropped_pause_that_followed_another_period_is_told_so() -> None:
    """T24: whoever knows it by its period must not take it for one of that period."""
    story = story_with("at_period_end")
    story.advance(utc("2025-12-01"))
    story.pause("2026-02-01")
    scheduled = next(o.id for o in story.said if isinstance(o.data, billing.PauseScheduled))
    story.advance(DAY)
    story.resume()
    story.advance(DAY)
    story.order("O-0")
    story.pay("O-0", at=utc("2024-12-20"))
    again = story.last(billing.PauseScheduled)
    assert (again.follows, again.corrects) == (story.period("O-0"), (scheduled,))
    assert story.known.history.pause_spans() == story.licensing.history.pause_spans() == ()
    assert [s.identity for s in story.stages] == [s.identity for s in story.billing_stages]
