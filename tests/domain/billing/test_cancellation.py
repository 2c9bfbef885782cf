"""Cancelling and thinking better of it (S-37 to S-40, S-49 to S-60, Q15)."""

from datetime import timedelta

import pytest

from contracts import billing, commands, licensing, payments
from tests.support.story import Story, names, utc

DAY = timedelta(days=1)


def reasons(story: Story) -> list[str]:
    """Why access ended, each time."""
    return [expired.reason for expired in story.all(licensing.Expired)]


def refusals(story: Story) -> list[str]:
    """The codes of all refused commands."""
    return [refused.code for refused in story.all(billing.CommandRefused)]


def test_cancelling_keeps_access_to_the_end_of_the_paid_period_then_no_grace() -> None:
    """S-37, S-14c, T9, T16."""
    story = Story().subscribe()
    story.advance(utc("2025-06-01"))
    story.cancel()
    assert story.last(billing.CancellationScheduled).cancel_at == utc("2026-01-01")
    story.advance(utc("2027-01-01"))
    assert story.last(licensing.Expired).effective_at == utc("2026-01-01")
    assert reasons(story) == ["canceled"]
    assert story.all(licensing.GraceStarted) == []
    assert story.all(payments.ChargeRequested) == []


def test_cancelling_after_the_early_charge_ends_a_year_and_two_weeks_later() -> None:
    """S-39: end 2025-06-15, charged 06-01, cancel 06-03, ends 2026-06-15; the mail knows the refund."""
    story = Story(now=utc("2024-06-15")).subscribe()
    story.advance(utc("2025-06-01"))
    story.renew("O-2")
    story.advance(utc("2025-06-03"))
    story.cancel()
    canceled = story.last(billing.CancellationScheduled)
    assert canceled.cancel_at == utc("2026-06-15")
    assert canceled.refundable.order_id == "O-2"
    assert canceled.refundable.until == utc("2025-07-01T22:00")
    story.advance(utc("2027-01-01"))
    assert story.last(licensing.Expired).effective_at == utc("2026-06-15")
    assert reasons(story) == ["canceled"]


def test_a_payment_that_crosses_the_cancellation_stands_and_moves_its_date() -> None:
    """Q15."""
    story = Story().subscribe()
    story.advance(utc("2025-12-19"))
    charge = story.charge_id
    story.cancel()
    story.pay("O-2", "renewal", charge_id=charge)
    changed = story.last(billing.CancellationDateChanged)
    assert (changed.old, changed.new) == (utc("2026-01-01"), utc("2027-01-01"))
    story.advance(utc("2028-01-01"))
    assert story.last(licensing.Expired).effective_at == utc("2027-01-01")


def test_a_payment_before_the_cancellation_that_arrives_after_it_ends_the_same() -> None:
    story = Story().subscribe()
    story.advance(utc("2025-12-19"))
    charge = story.charge_id
    story.advance(DAY)
    story.cancel()
    story.pay("O-2", "renewal", at=utc("2025-12-19T12:00"), charge_id=charge)
    assert story.last(billing.CancellationDateChanged).new == utc("2027-01-01")


def test_withdrawing_a_cancellation_renews_as_before() -> None:
    """T17."""
    story = Story().subscribe()
    story.cancel()
    story.advance(30 * DAY)
    assert names(story.uncancel())[0] == "billing.cancellation-withdrawn"
    canceled, taken_back = (
        story.last(kind).cancellation_id
        for kind in (billing.CancellationScheduled, billing.CancellationWithdrawn)
    )
    assert canceled == taken_back
    story.advance(utc("2025-12-19"))
    assert story.all(payments.ChargeRequested)


def test_cancel_uncancel_cancel_at_one_instant_counts_as_it_was_said() -> None:
    """S-56: each cancellation is confirmed by an event of its own."""
    story = Story().subscribe()
    story.cancel()
    story.uncancel()
    story.cancel()
    assert len(story.all(billing.CancellationScheduled)) == 2
    assert not story.known.history.auto_renew
    story.uncancel()
    assert story.known.history.auto_renew
    assert refusals(story) == []


@pytest.mark.parametrize(
    ("at", "ends"),
    [("2026-01-01", "2026-01-01"), ("2026-01-03", "2026-01-03"), ("2026-01-20", "2026-01-20")],
    ids=["exactly at the end", "in grace", "in hold"],
)
def test_cancelling_in_grace_or_hold_ends_it_now(at: str, ends: str) -> None:
    """Q15, T16."""
    story = Story().subscribe()
    story.advance(utc(at))
    story.cancel()
    assert story.last(billing.CancellationScheduled).cancel_at == utc(ends)
    assert story.entitlement.state == "expired"
    assert reasons(story) == ["canceled"]
    assert [c.reason for c in story.all(payments.ChargeWithdrawn)] == ["canceled"]


@pytest.mark.parametrize(
    ("at", "ends"),
    [
        ("2025-12-01", "2026-01-01"),
        ("2026-01-01", "2026-01-17"),
        ("2026-01-05", "2026-01-17"),
        ("2026-01-17", "2026-01-17"),
        ("2026-02-01", "2026-02-01"),
    ],
    ids=["in paid time", "exactly at the end", "in grace", "at the end of grace", "in hold"],
)
def test_where_a_cancellation_waits_for_the_end_of_grace_it_names_that_date(
    at: str, ends: str
) -> None:
    """Q15: `cancel_in_grace: at_grace_end`; what was named is when access ends."""
    story = Story(provider="app-store-like").subscribe()
    story.advance(utc(at))
    story.cancel("provider")
    assert story.last(billing.CancellationScheduled).cancel_at == utc(ends)
    story.advance(utc("2026-12-01"))
    assert story.stages[-1].start == utc(ends)
    assert reasons(story) == ["canceled"]


def test_a_cancellation_that_waits_for_the_end_of_grace_can_be_withdrawn_until_then() -> None:
    """Q15, T17."""
    story = Story(provider="app-store-like").subscribe()
    story.advance(utc("2026-01-05"))
    story.cancel("provider")
    story.advance(utc("2026-01-10"))
    story.uncancel("provider")
    assert refusals(story) == []
    story.advance(utc("2026-01-20"))
    assert story.stages[-2].status == "hold"
    story.uncancel("provider")
    assert refusals(story) == ["NOT_CANCELED"]


def test_cancelling_before_the_payment_is_kept() -> None:
    """Q15: cancel from incomplete."""
    story = Story()
    story.order()
    story.cancel()
    story.advance(timedelta(hours=1))
    story.pay()
    assert story.last(billing.CancellationDateChanged).new == utc("2026-01-01T01:00")
    story.advance(utc("2027-01-01"))
    assert reasons(story) == ["canceled"]


@pytest.mark.parametrize(
    ("steps", "code"),
    [
        (["cancel", "cancel"], "NO_AUTO_RENEWAL"),
        (["uncancel"], "NOT_CANCELED"),
        (["refunded", "cancel"], "SUBSCRIPTION_ENDED"),
        (["refunded", "uncancel"], "NOT_CANCELED"),
    ],
)
def test_a_command_that_makes_no_sense_changes_nothing(steps: list[str], code: str) -> None:
    """S-58."""
    story = Story().subscribe()
    for step in steps[:-1]:
        getattr(story, step)()
    before = story.billing.facts
    said = getattr(story, steps[-1])()
    assert names(said) == ["billing.command-refused"]
    assert refusals(story) == [code]
    assert story.billing.facts == before


def test_neither_cancel_nor_uncancel_after_the_end() -> None:
    story = Story().subscribe()
    story.cancel()
    story.advance(utc("2026-01-01"))
    story.uncancel()
    story.cancel()
    assert refusals(story) == ["SUBSCRIPTION_ENDED", "SUBSCRIPTION_ENDED"]


def test_a_command_about_nothing_known_is_refused() -> None:
    story = Story()
    assert names(story.cancel()) == ["billing.command-refused"]
    assert refusals(story) == ["SUBSCRIPTION_UNKNOWN"]
    assert story.said[-1].provider_id == "online-store"


@pytest.mark.parametrize("channel", ["account", "support"])
def test_where_only_the_provider_can_cancel_the_link_is_told(channel: str) -> None:
    """S-60, S-57."""
    story = Story(provider="isp-classic").subscribe()
    story.cancel(channel)
    refused = story.last(billing.CommandRefused)
    assert (refused.code, refused.link) == (
        "CANCEL_AT_PROVIDER", "https://isp.example.com/account/R-1",
    )  # fmt: skip


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_provider_cancels_and_withdraws_in_either_order_of_arrival(
    order: tuple[int, int],
) -> None:
    story = Story(provider="isp-classic").subscribe()
    story.advance(10 * DAY)
    told = [
        story.message(payments.CancellationRequested(channel="provider"), utc("2025-01-03")),
        story.message(payments.CancellationWithdrawn(channel="provider"), utc("2025-01-05")),
    ]
    for position in order:
        story.receive(told[position])
    assert story.known.history.auto_renew
    assert len(story.all(billing.CancellationScheduled)) == 1
    assert len(story.all(billing.CancellationWithdrawn)) == 1


def test_cancelling_and_refunding_the_renewal_commute() -> None:
    """11, S-40: whichever comes first, access ends with the current period."""
    ends = []
    for cancel_first in (True, False):
        story = Story().subscribe()
        story.advance(utc("2025-12-18"))
        story.renew("O-2")
        story.advance(utc("2025-12-20"))
        if cancel_first:
            story.cancel()
        story.request_refund("O-2", bought="2025-12-18")
        story.approve()
        if not cancel_first:
            story.cancel()
        story.advance(utc("2027-06-01"))
        ends.append([(stage.status, stage.start, stage.reason) for stage in story.stages])
    assert ends[0] == ends[1]


@pytest.mark.parametrize("channel", ["account", "provider"])
def test_the_reason_that_a_customer_gave_is_told(channel: str) -> None:
    story = (
        Story(provider="isp-classic").subscribe() if channel == "provider" else Story().subscribe()
    )
    said = commands.Cancel if channel == "account" else payments.CancellationRequested
    story.publish(said(channel=channel, reason="too dear"))
    scheduled = story.last(billing.CancellationScheduled)
    assert (scheduled.reason, scheduled.channel) == ("too dear", channel)
