"""Cancellations that end on the provider's own page (S-59)."""

from datetime import timedelta

import pytest

from contracts import billing, payments
from tests.support.story import Story, names, utc

DAY = timedelta(days=1)
LINK = "https://apps.example.com/account/subscriptions/R-1"


def begun() -> Story:
    """The customer wants to cancel in the account, which app stores do on their own page."""
    story = Story(provider="app-store-like").subscribe()
    story.advance(10 * DAY)
    story.cancel("account")
    return story


def confirm(story: Story) -> None:
    """The provider tells of the cancellation."""
    story.publish(payments.CancellationRequested(channel="provider"))


def refusals(story: Story) -> list[str]:
    """The codes of all refused commands."""
    return [refused.code for refused in story.all(billing.CommandRefused)]


def test_the_customer_is_passed_on_and_nothing_changes_yet() -> None:
    story = begun()
    pending = story.last(billing.CancellationPendingAtProvider)
    assert (pending.channel, pending.link) == ("account", LINK)
    assert pending.expected_by == story.now + 7 * DAY
    assert story.known.history.auto_renew
    assert story.all(billing.CancellationScheduled) == []


@pytest.mark.parametrize("channel", ["account", "support"])
def test_beginning_again_while_it_is_pending_is_refused_with_the_link(channel: str) -> None:
    story = begun()
    story.advance(6 * DAY)
    assert names(story.cancel(channel)) == ["billing.command-refused"]
    refused = story.last(billing.CommandRefused)
    assert (refused.code, refused.link) == ("CANCELLATION_PENDING", LINK)


def test_the_providers_word_ends_it() -> None:
    story = begun()
    story.advance(3 * DAY)
    confirm(story)
    assert story.last(billing.CancellationScheduled).cancel_at == utc("2026-01-01")
    story.advance(utc("2026-06-01"))
    assert story.all(billing.CancellationOverdueAtProvider) == []
    story.cancel("account")
    assert refusals(story) == ["SUBSCRIPTION_ENDED"]


def test_a_confirmed_one_is_refused_as_any_other() -> None:
    story = begun()
    confirm(story)
    story.cancel("account")
    assert refusals(story) == ["NO_AUTO_RENEWAL"]


def test_without_the_providers_word_an_operator_is_told_once() -> None:
    story = begun()
    since, link = story.now, LINK
    assert story.advance(7 * DAY - timedelta(seconds=1)) == []
    assert names(story.advance(timedelta(seconds=1))) == [
        "billing.cancellation-overdue-at-provider"
    ]
    overdue = story.last(billing.CancellationOverdueAtProvider)
    assert (overdue.pending_since, overdue.link) == (since, link)
    story.advance(30 * DAY)
    assert len(story.all(billing.CancellationOverdueAtProvider)) == 1
    story.cancel("account")
    assert len(story.all(billing.CancellationPendingAtProvider)) == 2


@pytest.mark.parametrize(("days", "corrected"), [(3, True), (8, False)])
def test_a_word_that_arrives_late_corrects_the_alert_when_it_was_in_time(
    days: int, corrected: bool
) -> None:
    story = begun()
    at = story.now + days * DAY
    story.advance(20 * DAY)
    overdue = next(
        o.id for o in story.said if isinstance(o.data, billing.CancellationOverdueAtProvider)
    )
    story.publish(payments.CancellationRequested(channel="provider"), at)
    told = story.last(billing.CancellationScheduled)
    assert told.corrects == ((overdue,) if corrected else None)


def test_a_cancellation_that_was_withdrawn_may_be_begun_again() -> None:
    story = begun()
    confirm(story)
    story.advance(DAY)
    story.publish(payments.CancellationWithdrawn(channel="provider"))
    story.advance(DAY)
    story.cancel("account")
    assert refusals(story) == []
    assert len(story.all(billing.CancellationPendingAtProvider)) == 2


@pytest.mark.parametrize("end", ["refunded", "lapses"])
def test_nobody_is_asked_about_a_subscription_that_ended(end: str) -> None:
    story = Story(provider="app-store-like").subscribe()
    if end == "lapses":
        story.advance(utc("2026-03-17") - DAY)
    story.cancel("account")
    if end == "refunded":
        story.refunded()
    story.advance(30 * DAY)
    assert story.all(billing.CancellationOverdueAtProvider) == []


def test_a_channel_that_is_neither_route_nor_handover_is_refused() -> None:
    story = Story(provider="isp-classic").subscribe()
    story.cancel("account")
    assert refusals(story) == ["CANCEL_AT_PROVIDER"]
