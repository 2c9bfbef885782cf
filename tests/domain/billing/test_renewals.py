"""Reminder, charge, dunning inside paid time, and what withdraws a charge (S-33 to S-36, S-52, Q4, Q18 to Q20)."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from contracts import billing, payments
from contracts.policy import Policies
from contracts.values import Interval
from services.billing.domain.subscription import STORED
from tests.support.story import POLICIES, Story, names, utc

DAY = timedelta(days=1)
END = utc("2026-01-01")


def at_charge(provider: str = "online-store") -> Story:
    """A year has been paid; the charge for the next one was just asked for."""
    story = Story(provider=provider).subscribe()
    story.advance(utc("2025-12-18"))
    return story


def withdrawn(story: Story) -> list[str]:
    """Why charges were withdrawn."""
    return [charge.reason for charge in story.all(payments.ChargeWithdrawn)]


def test_the_reminder_is_due_30_days_before_the_end_and_the_charge_14() -> None:
    """S-52, S-34."""
    story = Story().subscribe()
    assert story.billing.due_at == utc("2025-12-02")
    assert story.advance(utc("2025-12-01T23:59:59")) == []
    assert names(story.advance(utc("2025-12-02"))) == ["billing.renewal-reminder-due"]
    due = story.last(billing.RenewalReminderDue)
    assert (due.renews, due.end, due.charge_on) == (story.period("O-1"), END, END - 14 * DAY)
    story.remind()
    assert story.advance(utc("2025-12-17T23:59:59")) == []
    said = names(story.advance(utc("2025-12-18")))
    assert "payments.charge-requested" in said
    assert "billing.reminder-waived" not in said
    asked = story.last(payments.ChargeRequested)
    assert asked.period == Interval(start=END, end=utc("2027-01-01"))
    assert asked.charge_by == END + 37 * DAY
    assert story.entitlement.renewal_pending


def test_a_charge_without_a_proven_reminder_says_so() -> None:
    """Q19."""
    assert [waived.reason for waived in at_charge().all(billing.ReminderWaived)] == ["unproven"]


@pytest.mark.parametrize(
    ("accepted", "charged"),
    [
        ("2025-12-02", "2025-12-18"),
        ("2025-12-11", "2025-12-18"),
        ("2025-12-14", "2025-12-21"),
        ("2025-12-17T23:00", "2025-12-24T23:00"),
    ],
)
def test_a_late_reminder_moves_the_charge(accepted: str, charged: str) -> None:
    """Q19: the notice of seven days."""
    story = Story().subscribe()
    story.advance(utc(accepted))
    story.remind()
    story.advance(utc("2025-12-31"))
    assert story.last(billing.RenewalChargeRequested).effective_at == utc(charged)


@pytest.mark.parametrize(
    ("term", "end", "charged"),
    [
        ("P1M", "2025-02-01", "2025-01-24T12:00"),
        ("P30D", "2025-01-31", "2025-01-23T12:00"),
        ("P2W", "2025-01-15", "2025-01-11T12:00"),
        ("P8W", "2025-02-26", "2025-02-12"),
        ("P2M", "2025-03-01", "2025-02-15"),
    ],
)
def test_short_terms_are_charged_a_quarter_ahead_without_a_reminder(
    term: str, end: str, charged: str
) -> None:
    """S-34, Q18."""
    story = Story()
    story.order(term=term)
    story.pay()
    story.advance(utc(end))
    assert story.all(billing.RenewalChargeRequested)[0].effective_at == utc(charged)
    short = term != "P2M"
    assert bool(story.all(billing.RenewalReminderDue)) is not short
    assert story.all(billing.ReminderWaived)[0].reason == ("short_term" if short else "unproven")


def test_the_provider_that_charges_by_itself_is_never_asked() -> None:
    story = Story(provider="isp-classic").subscribe()
    story.advance(utc("2027-01-01"))
    assert story.all(payments.ChargeRequested) == []
    reminder = story.last(billing.RenewalReminderDue)
    assert (reminder.auto_charge, reminder.charge_on) == (True, None)


def test_one_charge_is_asked_for_per_period_over_the_years() -> None:
    """Q4."""
    story = Story().subscribe()
    for year in range(2025, 2030):
        story.advance(utc(f"{year}-12-19"))
        story.renew(f"O-{year}")
        story.advance(utc(f"{year}-12-31"))
    asked = story.all(payments.ChargeRequested)
    assert len(asked) == len({charge.renews for charge in asked}) == 5
    assert len(story.all(billing.RenewalReminderDue)) == 5
    assert withdrawn(story) == []
    assert story.known.history.paid_through == utc("2031-01-01")
    history = story.known.history
    charged = [p.order_id for p in history.periods if history.was_charged(p.period_id)]
    assert charged == ["O-1", *(f"O-{year}" for year in range(2025, 2029))]


def test_a_charge_that_failed_for_good_is_not_asked_again() -> None:
    """S-36: dunning runs inside paid time."""
    story = at_charge()
    story.fail("O-2", story.charge_id)
    assert story.access(END - DAY).state == "active"  # type: ignore[union-attr]
    story.advance(utc("2026-06-01"))
    assert len(story.all(payments.ChargeRequested)) == 1
    assert withdrawn(story) == []


def test_a_charge_that_may_still_succeed_is_withdrawn_when_nothing_can_recover_it() -> None:
    """Q4: `charge_by` is the end of grace and hold."""
    story = at_charge()
    story.fail("O-2", story.charge_id, final=False)
    story.advance(END + 37 * DAY - timedelta(seconds=1))
    assert withdrawn(story) == []
    story.advance(timedelta(seconds=1))
    assert withdrawn(story) == ["ended"]


def test_a_charge_is_withdrawn_when_the_customer_cancels() -> None:
    """S-37."""
    story = at_charge()
    story.cancel()
    assert withdrawn(story) == ["canceled"]


def test_a_charge_is_withdrawn_when_the_renewal_is_paid_otherwise() -> None:
    story = at_charge()
    story.pay("O-2", "manual")
    assert withdrawn(story) == ["paid_otherwise"]


def test_a_charge_is_withdrawn_when_the_period_is_refunded() -> None:
    """S-47."""
    story = at_charge()
    story.refunded()
    assert withdrawn(story) == ["refunded"]


def test_an_answer_that_seems_older_than_the_question_still_answers_it() -> None:
    """Upstream's clock runs behind ours."""
    story = at_charge()
    story.pay("O-2", "renewal", at=story.now - timedelta(seconds=5), charge_id=story.charge_id)
    assert withdrawn(story) == []
    assert story.known.history.paid_through == utc("2027-01-01")


def test_a_charge_answered_in_hold_with_the_period_that_we_asked_for_counts() -> None:
    """T14: it starts from now, although the provider repeats the period of the request."""
    story = at_charge()
    asked = story.last(payments.ChargeRequested)
    story.advance(END + 10 * DAY)
    story.pay("O-2", "renewal", charge_id=asked.charge_id, period=asked.period)
    assert story.all(billing.PaymentRefused) == []
    assert story.last(billing.PeriodScheduled).start == END + 10 * DAY


def test_renewal_that_is_on_again_is_charged_again_under_a_new_id() -> None:
    """Q4: one outstanding charge at a time, a new charge_id for each."""
    story = at_charge()
    story.cancel()
    story.advance(DAY)
    story.uncancel()
    charges = story.all(payments.ChargeRequested)
    assert len({charge.charge_id for charge in charges}) == len(charges) == 2
    story.pay("O-2", "renewal", charge_id=charges[0].charge_id)
    assert withdrawn(story) == ["canceled", "paid_otherwise"]
    story.pay("O-3", "renewal", charge_id=charges[1].charge_id)
    assert [refusal.code for refusal in story.all(billing.PaymentRefused)] == [
        "RENEWAL_ALREADY_PAID"
    ]


def test_nothing_is_charged_while_a_refund_is_open() -> None:
    """Q16."""
    story = Story()
    story.order(term="P1M")
    story.pay()
    story.advance(utc("2025-01-20"))
    story.request_refund()
    story.advance(utc("2025-01-26"))
    assert story.all(payments.ChargeRequested) == []
    story.decline()
    assert len(story.all(payments.ChargeRequested)) == 1


def test_a_cancelled_subscription_gets_an_expiry_notice_instead_of_the_reminder() -> None:
    """Q20."""
    story = Story().subscribe()
    story.cancel()
    story.advance(utc("2025-12-31"))
    assert story.all(billing.RenewalReminderDue) == []
    assert story.last(billing.ExpiryNoticeDue).end == END
    assert len(story.all(billing.ExpiryNoticeDue)) == 1


def test_an_order_without_automatic_renewal_gets_the_notice_too() -> None:
    """Q20."""
    story = Story()
    story.order(auto_renew=False)
    story.pay()
    story.advance(utc("2026-01-01"))
    assert story.all(billing.RenewalReminderDue) == []
    assert story.all(payments.ChargeRequested) == []
    assert len(story.all(billing.ExpiryNoticeDue)) == 1


@pytest.mark.parametrize("how", ["cancel", "refunded"])
def test_a_reminder_that_is_no_longer_true_is_retracted_once(how: str) -> None:
    story = Story().subscribe()
    story.advance(utc("2025-12-03"))
    getattr(story, how)()
    story.advance(utc("2026-03-01"))
    retracted = story.all(billing.ReminderRetracted)
    assert [(r.renews, r.end) for r in retracted] == [(story.period("O-1"), END)]
    assert story.all(billing.ExpiryNoticeDue) == []


def test_a_reminder_that_led_to_its_renewal_is_not_retracted() -> None:
    story = at_charge()
    story.renew("O-2")
    story.advance(utc("2026-06-01"))
    assert story.all(billing.ReminderRetracted) == []


def test_after_a_long_stop_the_missed_reminder_gives_notice_up_to_the_end() -> None:
    """Q19, Q23."""
    story = Story().subscribe()
    story.now = utc("2025-12-30")
    story.advance(timedelta(0))
    assert story.last(billing.RenewalReminderDue).effective_at == utc("2025-12-02")
    assert story.last(billing.RenewalReminderDue).charge_on == END
    assert story.all(payments.ChargeRequested) == []
    story.advance(END)
    said = names([outgoing.data for outgoing in story.said])
    assert said.index("billing.renewal-reminder-due") < said.index("payments.charge-requested")


@pytest.mark.parametrize("stop", [utc("2025-06-01"), utc("2025-12-19"), utc("2026-01-05")])
def test_the_state_survives_being_stored(stop: datetime) -> None:
    story = Story().subscribe()
    story.advance(stop)
    loaded = STORED.validate_json(STORED.dump_json(story.billing, exclude_none=True))
    assert loaded == replace(story.billing, due_at=None)


def test_a_failure_whose_period_was_another_is_told_again() -> None:
    """Q8: a payment that arrives late shows which period the attempt was to renew."""
    story = Story(provider="isp-classic").subscribe()
    story.advance(utc("2025-12-20"))
    story.fail("O-3")
    failed = next(o for o in story.said if isinstance(o.data, billing.PaymentFailed))
    assert failed.data.period_id == story.period("O-1")
    story.pay("O-2", "manual", at=utc("2025-06-01"))
    again = story.last(billing.PaymentFailed)
    assert again == failed.data.model_copy(
        update={"period_id": story.period("O-2"), "corrects": (failed.id,)}
    )


@pytest.mark.parametrize(("seconds", "notices"), [(-1, 1), (0, 1), (1, 0)])
def test_whoever_cancels_after_the_notice_was_due_gets_none(seconds: int, notices: int) -> None:
    """Q20: the mail about the cancellation says when it ends."""
    story = Story().subscribe()
    story.advance(END - 30 * DAY + timedelta(seconds=seconds))
    story.cancel()
    story.advance(END)
    assert len(story.all(billing.ExpiryNoticeDue)) == notices


@pytest.mark.parametrize(
    ("grace", "hold", "by"),
    [
        (7 * DAY, 30 * DAY, END + 37 * DAY),
        (7 * DAY, timedelta(0), END + 7 * DAY),
        (timedelta(0), timedelta(0), END + DAY),
        (timedelta(0), 30 * DAY, END + 30 * DAY),
    ],
)
def test_a_charge_may_be_answered_while_it_recovers_or_access_waits_for_it(
    grace: timedelta, hold: timedelta, by: datetime
) -> None:
    """Q4, Q7: without grace a day at least."""
    pack = POLICIES.in_force("online-store", utc("2025-01-01"))
    changed = pack.model_copy(update={"grace": grace, "hold": hold})
    story = Story(policies=Policies({"online-store": (changed,)})).subscribe()
    story.advance(END - DAY)
    assert story.last(payments.ChargeRequested).charge_by == by
