"""How refunds end, and what moves up: business days, overdue, late settlements, voided periods (S-45, Q11, Q12, Q14)."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from contracts import billing, licensing, payments
from tests.support.story import PRICE, Story, names, utc

DAY = timedelta(days=1)


def approved(day: str) -> Story:
    """A refund of the current period is initiated on a day, a minute after the order."""
    story = Story(now=utc(day)).subscribe()
    story.advance(timedelta(minutes=1))
    story.request_refund(bought=day)
    story.approve()
    return story


def settle(story: Story, order_id: str = "O-1", at: datetime | None = None) -> list[str]:
    """The payment system says that the money went back; what billing said."""
    asked = [a for a in story.all(payments.RefundRequested) if a.order_id == order_id][-1]
    said = names(story.refunded(order_id, at, refund_id=asked.refund_id))
    return [name for name in said if name.startswith("billing")]


def paid_ahead(to: str = "2025-01-10", provider: str = "online-store") -> Story:
    """Three months, the second and third paid ahead."""
    story = Story(provider=provider)
    story.order(term="P1M")
    story.pay()
    for order_id in ("O-2", "O-3"):
        story.advance(timedelta(minutes=1))
        story.pay(order_id, "manual")
    story.advance(utc(to))
    return story


def state(story: Story) -> str:
    """What the device is told at last."""
    return str(story.entitlement.state)


def spans(story: Story) -> list[tuple[str, str, str]]:
    """Where the periods that count lie, by both services."""
    found = [
        [
            (p.order_id, f"{p.start:%Y-%m-%d}", f"{p.end:%Y-%m-%d}")
            for p in history.counting
            if p.end
        ]
        for history in (story.known.history, story.licensing.history)
    ]
    assert found[0] == found[1]
    return found[0]


@pytest.mark.parametrize(
    ("day", "credited"),
    [
        ("2025-02-03", "2025-02-12T23:00"),
        ("2025-02-07", "2025-02-18T23:00"),
        ("2025-02-08", "2025-02-18T23:00"),
        ("2025-04-14", "2025-04-25T22:00"),
        ("2025-12-22", "2026-01-05T23:00"),
    ],
    ids=["monday", "friday", "saturday", "across Easter", "across the new year"],
)
def test_money_is_expected_within_seven_business_days(day: str, credited: str) -> None:
    """S-45: the end of the day in Berlin, whose holidays count; Good Friday, Easter Monday, Christmas."""
    assert approved(day).last(billing.RefundInitiated).expected_credit_by == utc(credited)


def test_a_refund_that_nobody_confirmed_is_told_once() -> None:
    """S-45."""
    story = approved("2025-02-03")
    due = story.last(billing.RefundInitiated).expected_credit_by
    assert "billing.refund-overdue" not in names(story.advance(due - timedelta(seconds=1)))
    assert names(story.advance(due)) == ["billing.refund-overdue"]
    overdue = story.last(billing.RefundOverdue)
    assert (overdue.order_id, overdue.effective_at) == ("O-1", due)
    story.advance(90 * DAY)
    assert settle(story) == ["billing.refund-settled"]
    assert len(story.all(billing.RefundOverdue)) == 1
    assert story.last(billing.RefundSettled).corrects is None


@pytest.mark.parametrize("end", ["settled", "failed", "by the provider"])
def test_a_refund_that_ended_is_not_overdue(end: str) -> None:
    story = approved("2025-02-03") if end != "by the provider" else Story().subscribe()
    if end == "settled":
        settle(story)
    elif end == "failed":
        story.refund_fails()
    else:
        story.refunded()
    story.advance(60 * DAY)
    assert story.all(billing.RefundOverdue) == []


def test_a_settlement_in_time_that_arrives_late_corrects_the_alert() -> None:
    story = approved("2025-02-03")
    story.advance(30 * DAY)
    overdue = next(o.id for o in story.said if isinstance(o.data, billing.RefundOverdue))
    settle(story, at=utc("2025-02-10"))
    assert story.last(billing.RefundSettled).corrects == (overdue,)


def test_money_of_a_refused_payment_is_expected_back_as_well() -> None:
    story = Story().subscribe()
    story.pay(kind="initial")
    assert story.last(billing.RefundInitiated).expected_credit_by == utc("2025-01-10T23:00")
    story.advance(30 * DAY)
    assert story.all(billing.RefundOverdue)


def test_a_refund_that_settles_after_it_failed_takes_the_period_again() -> None:
    """The money went back, so the effect counts from the settlement; in between there was access."""
    story = approved("2025-02-03")
    story.advance(2 * DAY)
    story.refund_fails()
    assert state(story) == "active"
    story.advance(3 * DAY)
    assert settle(story) == ["billing.refund-settled", "billing.period-revoked"]
    assert state(story) == "revoked"
    assert [(s.status, f"{s.start:%m-%d}") for s in story.stages] == [
        ("active", "02-03"), ("expired", "02-03"), ("active", "02-05"), ("expired", "02-08"),
    ]  # fmt: skip
    between = story.access("2025-02-06")
    assert between
    assert between.state == "active"
    assert [s.identity for s in story.stages] == [s.identity for s in story.billing_stages]


def test_a_refund_that_settles_after_its_period_was_used_up_is_money_only() -> None:
    """Q9."""
    story = Story()
    story.order(term="P1M")
    story.pay()
    story.request_refund()
    story.approve()
    story.refund_fails()
    story.pay("O-2", "manual")
    story.advance(utc("2025-02-10"))
    assert settle(story) == ["billing.refund-settled"]
    assert state(story) == "active"


def test_a_settlement_from_before_the_failure_undoes_what_the_failure_gave_back() -> None:
    """Q2: what happened first counts first, whatever arrives first; the reader is told."""
    story = approved("2025-02-03")
    story.advance(2 * DAY)
    story.refund_fails()
    ids = {type(o.data): o.id for o in story.said}
    assert settle(story, at=utc("2025-02-04")) == [
        "billing.period-revoked", "billing.refund-settled",
    ]  # fmt: skip
    assert story.last(billing.PeriodRevoked).corrects == (ids[billing.PeriodReinstated],)
    assert story.last(billing.RefundSettled).corrects == (ids[billing.RefundFailed],)
    other = approved("2025-02-03")
    settle(other, at=utc("2025-02-04"))
    other.advance(2 * DAY)
    other.refund_fails()
    for one in (story, other):
        assert [s.identity for s in one.stages] == [s.identity for s in one.billing_stages]
    assert [s.identity for s in story.stages] == [s.identity for s in other.stages]


def test_a_provider_that_pays_back_after_our_refund_failed_takes_the_period() -> None:
    """Q10: full, and the period counts."""
    story = approved("2025-02-03")
    story.refund_fails()
    story.advance(DAY)
    story.refunded()
    assert state(story) == "revoked"
    assert len(story.all(billing.PeriodRevoked)) == 2
    assert story.last(billing.PeriodRevoked).effective_at == story.now


def test_what_was_to_follow_a_voided_period_moves_up() -> None:
    """4: the third month begins where the second would have."""
    story = paid_ahead()
    story.refunded("O-2")
    shifted = story.last(billing.PeriodShifted)
    assert (shifted.reason, shifted.old.start, shifted.new.start) == (
        "reordered", utc("2025-03-01"), utc("2025-02-01"),
    )  # fmt: skip
    assert spans(story) == [
        ("O-1", "2025-01-01", "2025-02-01"), ("O-3", "2025-02-01", "2025-03-01"),
    ]  # fmt: skip
    story.advance(utc("2025-02-15"))
    assert state(story) == "active"
    assert story.all(licensing.Expired) == []


def test_month_ends_keep_their_anchor_when_they_move_up() -> None:
    """3e: Jan 31, Feb 28, Mar 31."""
    story = Story(now=utc("2025-01-31"))
    story.order(term="P1M")
    story.pay()
    for order_id in ("O-2", "O-3", "O-4"):
        story.advance(timedelta(minutes=1))
        story.pay(order_id, "manual")
    story.refunded("O-2")
    assert spans(story)[1:] == [
        ("O-3", "2025-02-28", "2025-03-31"), ("O-4", "2025-03-31", "2025-04-30"),
    ]  # fmt: skip


def test_a_voided_period_whose_refund_fails_lines_up_behind_what_moved_up() -> None:
    """Q11."""
    story = paid_ahead()
    asked = story.refunded("O-2")
    assert asked
    story.publish(
        payments.RefundFailed(
            order_id="O-2",
            refund_id=story.last(billing.RefundInitiated).refund_id,
            reason="closed",
        )
    )
    assert [order for order, *_ in spans(story)][:2] == ["O-1", "O-3"]


def test_what_follows_a_renewal_approved_after_its_start_begins_now() -> None:
    """Q10, 4: days already used stay used, and there is no gap."""
    story = Story(provider="app-store-like")
    story.order(term="P1M")
    story.pay()
    story.advance(DAY)
    story.pay("O-2", "renewal")
    story.advance(DAY)
    story.pay("O-3", "manual")
    story.advance(utc("2025-01-29"))
    story.request_refund("O-2", bought="2025-01-01")
    story.advance(utc("2025-02-04"))
    story.approve()
    assert spans(story)[-1] == ("O-3", "2025-02-04", "2025-03-04")
    assert state(story) == "active"


def test_bounds_that_upstream_gave_do_not_move_up() -> None:
    """Q3."""
    story = Story(provider="isp-classic")
    story.order(term="P1M")
    story.pay()
    story.pay("O-2", "prepayment", period={"start": utc("2025-02-01"), "end": utc("2025-03-01")})
    story.pay("O-3", "prepayment", period={"start": utc("2025-03-01"), "end": utc("2025-04-01")})
    story.refunded("O-2")
    assert spans(story)[-1] == ("O-3", "2025-03-01", "2025-04-01")


def test_the_next_period_outside_its_window_becomes_a_case_for_an_operator() -> None:
    """Q12."""
    story = paid_ahead(provider="app-store-like", to="2025-01-29")
    story.advance(utc("2025-01-31T12:00"))
    story.pay("O-4", "manual")
    story.advance(utc("2025-02-20"))
    story.refunded("O-2")
    under_review = [(r.order_id, r.effect) for r in story.all(billing.RefundUnderReview)]
    assert under_review == [("O-3", "upcoming_voided")]
    assert [r.order_id for r in story.all(payments.RefundRequested)] == ["O-4"]
    story.approve()
    assert [r.order_id for r in story.all(payments.RefundRequested)] == ["O-4", "O-3"]
    assert story.known.history.counting[1:] == ()


def test_an_operator_may_leave_the_next_period_as_it_is() -> None:
    """Q12."""
    story = Story().subscribe()
    story.pay("O-2", "manual")
    story.refunded()
    story.decline()
    assert story.access("2026-06-01").state == "active"  # type: ignore[union-attr]
    assert story.all(payments.RefundRequested) == []


def guess(story: Story, number: int) -> None:
    """Somebody tries another name."""
    story.request_refund(name=f"guess {number}")


def test_five_wrong_attempts_a_day_are_enough() -> None:
    """Q14: then even the right details are not looked at, until the first attempt is a day old."""
    story = Story().subscribe()
    first = story.now
    for number in range(5):
        guess(story, number)
        story.advance(timedelta(hours=1))
    guess(story, 5)
    refused = story.last(billing.CommandRefused)
    assert (refused.code, refused.available_from) == ("TOO_MANY_ATTEMPTS", first + DAY)
    story.request_refund()
    assert story.last(billing.CommandRefused).code == "TOO_MANY_ATTEMPTS"
    assert len(story.all(billing.RefundDeclined)) == 5
    story.advance(first + DAY - timedelta(seconds=1))
    story.request_refund()
    assert story.all(billing.RefundRequested) == []
    story.advance(timedelta(seconds=1))
    story.request_refund()
    assert len(story.all(billing.RefundRequested)) == 1


def test_the_same_wrong_attempt_again_is_one_attempt() -> None:
    """Q14: it returns the same case."""
    story = Story().subscribe()
    for _ in range(9):
        guess(story, 1)
    guess(story, 2)
    assert [r.code for r in story.all(billing.CommandRefused)] == ["REFUND_EXISTS"] * 8
    assert len(story.all(billing.RefundDeclined)) == 2


@pytest.mark.parametrize(("mode", "charged"), [("charge", "2025-12-18"), ("wait", "2026-01-01")])
def test_waiting_for_a_proven_reminder_ends_at_the_period_end(mode: Any, charged: str) -> None:
    """Q19: then the charge goes out, with the reason recorded."""
    pack = Story().policies.in_force("online-store", utc("2025-01-01"))
    waiting = pack.model_copy(update={"unproven_reminder": mode})
    policies = type(Story().policies)({"online-store": (waiting,)})
    story = Story(policies=policies).subscribe()
    story.advance(utc("2026-03-01"))
    asked = story.all(billing.RenewalChargeRequested)
    assert [a.effective_at for a in asked] == [utc(charged)]
    assert [w.reason for w in story.all(billing.ReminderWaived)] == ["unproven"]


def test_a_charge_is_withdrawn_while_a_refund_is_under_review() -> None:
    """Q16: asked for again, under a new id, when the refund is declined."""
    story = Story()
    story.order(term="P1M")
    story.pay()
    story.advance(utc("2025-01-26"))
    first = story.charge_id
    story.request_refund()
    assert [w.reason for w in story.all(payments.ChargeWithdrawn)] == ["refunded"]
    story.decline()
    assert story.charge_id != first


def test_what_is_paid_after_a_move_to_now_counts_from_there() -> None:
    """3e: a new chain, with its own day of the month."""
    story = Story(provider="app-store-like")
    story.order(term="P1M")
    story.pay()
    for order_id, kind in (("O-2", "renewal"), ("O-3", "manual")):
        story.advance(DAY)
        story.pay(order_id, kind)
    story.advance(utc("2025-01-29"))
    story.request_refund("O-2", bought="2025-01-01")
    story.advance(utc("2025-02-04"))
    story.approve()
    story.pay("O-4", "manual")
    assert spans(story)[-2:] == [
        ("O-3", "2025-02-04", "2025-03-04"), ("O-4", "2025-03-04", "2025-04-04"),
    ]  # fmt: skip


def test_only_wrong_details_count_as_attempts() -> None:
    """Q14: neither an open case nor one that an operator declined."""
    story = Story().subscribe()
    story.order("O-2")
    story.pay("O-2")
    story.request_refund("O-2")
    guess(story, 1)
    assert story.last(billing.RefundDeclined).code == "IDENTITY_MISMATCH"
    story.decline()
    for number in range(2, 6):
        guess(story, number)
    assert story.all(billing.CommandRefused) == []
    guess(story, 6)
    assert story.last(billing.CommandRefused).code == "TOO_MANY_ATTEMPTS"


def test_what_a_late_settlement_takes_names_its_case() -> None:
    story = approved("2025-02-03")
    story.refund_fails()
    story.advance(DAY)
    settle(story)
    case = story.last(billing.RefundSettled)
    revoked = story.last(billing.PeriodRevoked)
    assert (revoked.case_id, revoked.requested_at) == (case.case_id, case.requested_at)


def test_what_is_given_back_names_the_failure_that_gave_it() -> None:
    """T21."""
    story = approved("2025-02-03")
    refund_id = story.last(payments.RefundRequested).refund_id
    failure = story.message(
        payments.RefundFailed(order_id="O-1", refund_id=refund_id, reason="closed")
    )
    story.receive(failure)
    assert story.last(billing.PeriodReinstated).fact_id == failure.cause_id


@pytest.mark.parametrize("end", ["settled", "failed", "overdue"])
def test_the_end_of_a_refund_names_what_was_asked_for(end: str) -> None:
    """S-45: whoever reads one event knows refund, case, order and period."""
    story = approved("2025-02-03")
    asked = story.last(payments.RefundRequested)
    story.advance(DAY)
    kind: Any = billing.RefundOverdue
    if end == "settled":
        settle(story)
        kind = billing.RefundSettled
    elif end == "failed":
        story.refund_fails()
        kind = billing.RefundFailed
    else:
        story.advance(20 * DAY)
    told = story.last(kind)
    assert (told.refund_id, told.case_id) == (asked.refund_id, asked.case_id)
    assert (told.order_id, told.period_id) == ("O-1", story.period("O-1"))
    assert (told.full, told.effect, told.amount) == (True, "current_revoked", PRICE)
    assert (
        told.requested_at == asked.requested_at == story.last(billing.RefundInitiated).effective_at
    )


def test_what_moved_up_can_be_moved_by_days_given() -> None:
    story = paid_ahead()
    story.refunded("O-2")
    story.extend(5)
    assert spans(story) == [
        ("O-1", "2025-01-01", "2025-02-06"), ("O-3", "2025-02-06", "2025-03-06"),
    ]  # fmt: skip


def test_the_window_of_the_next_period_is_over_at_its_last_instant() -> None:
    """Q12, Q13: from there on an operator decides, not a rule."""
    story = Story().subscribe()
    story.advance(utc("2025-12-20"))
    story.renew("O-2")
    story.extend(60)
    until = story.last(billing.PeriodScheduled).refund_until
    story.advance(until)
    story.refunded("O-1")
    assert story.last(billing.RefundUnderReview).order_id == "O-2"
    assert story.all(payments.RefundRequested) == []


def test_a_provider_that_paid_back_before_our_refund_failed_takes_what_was_given_back() -> None:
    """Q10, Q11: as of the failure; until then it was away anyway."""
    story = approved("2025-02-03")
    story.advance(2 * DAY)
    story.refund_fails()
    failed = story.now
    story.advance(DAY)
    story.refunded(at=failed - DAY)
    assert state(story) == "revoked"
    assert story.last(billing.PeriodRevoked).effective_at - failed <= timedelta.resolution
    assert [s.identity for s in story.stages] == [s.identity for s in story.billing_stages]
