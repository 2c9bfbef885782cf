"""Undo a renewal: cancel and refund the period that has not begun, in one step (S-40, Q12)."""

from datetime import timedelta

import pytest

from contracts import billing, payments
from contracts.commands import UndoRenewal
from tests.support.story import Story, names, utc

DAY = timedelta(days=1)


def renewed(requested: str = "2025-06-03") -> Story:
    """P1 2024-06-15 to 2025-06-15, P2 paid 2025-06-01; then time passes."""
    story = Story(now=utc("2024-06-15")).subscribe()
    story.advance(utc("2025-06-01"))
    story.renew("O-2")
    story.advance(utc(requested))
    return story


def undo(story: Story, channel: str = "account") -> list[str]:
    """The customer clicks on undo; what billing said."""
    said = names(story.publish(UndoRenewal(channel=channel)))  # type: ignore[arg-type]
    return [name for name in said if name.startswith(("billing", "payments"))]


def refusal(story: Story) -> billing.CommandRefused:
    """The last refusal."""
    refused = story.last(billing.CommandRefused)
    assert isinstance(refused, billing.CommandRefused)
    return refused


def test_it_cancels_and_refunds_without_review() -> None:
    """S-40: "end in two weeks" is one command."""
    story = renewed()
    said = undo(story)
    assert said == [
        "billing.cancellation-scheduled", "billing.refund-requested", "billing.refund-approved",
        "billing.refund-initiated", "payments.refund-requested", "billing.period-voided",
    ]  # fmt: skip
    assert story.last(billing.CancellationScheduled).cancel_at == utc("2025-06-15")
    assert story.last(billing.RefundInitiated).access_until == utc("2025-06-15")
    assert story.last(payments.RefundRequested).order_id == "O-2"
    story.advance(utc("2025-12-01"))
    assert [(s.reason, s.start) for s in story.stages[1:]] == [
        ("refunded_renewal", utc("2025-06-15"))
    ]


def test_the_answer_names_the_command() -> None:
    story = renewed()
    message = story.message(UndoRenewal(channel="account"))
    story.receive(message)
    approved = story.last(billing.RefundApproved)
    assert approved.fact_id == message.cause_id
    assert story.receive(message) == []


def test_a_customer_who_cancelled_before_gets_the_refund_alone() -> None:
    story = renewed()
    story.cancel()
    assert undo(story)[0] == "billing.cancellation-date-changed"
    assert len(story.all(billing.CancellationScheduled)) == 1
    assert story.all(payments.RefundRequested)


def test_cancelling_after_it_is_refused_since_nothing_renews() -> None:
    story = renewed()
    undo(story)
    story.cancel()
    assert refusal(story).code == "NO_AUTO_RENEWAL"


@pytest.mark.parametrize("to", ["2025-05-20", "2025-06-15"], ids=["not renewed", "begun"])
def test_without_an_upcoming_period_there_is_nothing_to_undo(to: str) -> None:
    story = Story(now=utc("2024-06-15")).subscribe()
    if to == "2025-06-15":
        story = renewed(to)
    else:
        story.advance(utc(to))
    assert undo(story) == ["billing.command-refused"]
    assert refusal(story).code == "NO_UPCOMING_PERIOD"


def test_a_second_time_names_the_case() -> None:
    story = renewed()
    story.request_refund("O-2", bought="2025-06-01")
    undo(story)
    assert refusal(story).code == "REFUND_EXISTS"
    assert refusal(story).case_id == story.last(billing.RefundRequested).case_id


@pytest.mark.parametrize(
    ("provider", "code"),
    [("online-store", "REFUND_NOT_OFFERED"), ("isp-classic", "CANCEL_AT_PROVIDER")],
)
def test_what_cannot_be_undone_here_is_refused_with_the_link(provider: str, code: str) -> None:
    story = Story(provider=provider).subscribe()
    story.pay("O-2", "manual")
    assert undo(story) == ["billing.command-refused"]
    assert refusal(story).code == code
    assert refusal(story).link


def test_outside_the_window_it_is_refused_with_the_link() -> None:
    """The window of an order paid far ahead is over before its period begins."""
    story = Story(provider="app-store-like").subscribe()
    story.pay("O-2", "renewal")
    story.advance(31 * DAY)
    undo(story, "provider")
    assert (refusal(story).code, bool(refusal(story).link)) == ("OUTSIDE_WINDOW", True)


def test_nothing_is_undone_while_a_dispute_is_open() -> None:
    story = renewed()
    story.publish(
        payments.DisputeOpened(
            order_id="O-1", dispute_id="D", amount=story.known.orders["O-1"].amount
        )
    )
    undo(story)
    assert refusal(story).code == "DISPUTE_OPEN"


def test_undoing_and_cancelling_commute() -> None:
    """11."""
    ends = []
    for cancel_first in (True, False):
        story = renewed()
        if cancel_first:
            story.cancel()
            story.advance(DAY)
        undo(story)
        if not cancel_first:
            story.advance(DAY)
            story.cancel()
        story.advance(utc("2026-01-01"))
        ends.append([stage.identity for stage in story.stages])
    assert ends[0] == ends[1]
