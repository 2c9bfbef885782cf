"""Disputes at the customer's bank: nothing moves while one is open, a lost one is a chargeback (T22, Q16)."""

from datetime import datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from contracts import billing, licensing, payments
from contracts.base import Data
from contracts.values import Money
from tests.support.story import PRICE, Story, names, utc

DAY = timedelta(days=1)
OPENED, WON, LOST = payments.DisputeOpened, payments.DisputeWon, payments.DisputeLost


def dispute(
    story: Story,
    kind: type[payments.DisputeEvent],
    order_id: str = "O-1",
    at: datetime | None = None,
    dispute_id: str = "D-1",
) -> list[Data]:
    """The bank of the customer speaks about an order."""
    return story.publish(kind(order_id=order_id, dispute_id=dispute_id, amount=PRICE), at)


def renewed(to: str, provider: str = "online-store") -> Story:
    """P1 2024-06-15 to 2025-06-15, P2 paid 2025-06-01; then time passes."""
    story = Story(provider=provider, now=utc("2024-06-15")).subscribe()
    story.advance(utc("2025-06-01"))
    if provider == "online-store":
        story.renew("O-2")
    else:
        story.pay("O-2", "renewal")
    story.advance(utc(to))
    return story


def refusals(story: Story) -> list[str]:
    """The codes of all refused commands."""
    return [refused.code for refused in story.all(billing.CommandRefused)]


def ends(story: Story) -> list[tuple[str, str]]:
    """The timeline from the second stage on, up to now."""
    return [
        (stage.reason or stage.status, f"{stage.start:%Y-%m-%d}")
        for stage in story.stages[1:]
        if stage.start <= story.now
    ]


def told(said: list[Data]) -> list[str]:
    """What billing said."""
    return [name for name in names(said) if name.startswith(("billing", "payments"))]


def state(story: Story) -> str:
    """What the device is told at last."""
    return str(story.entitlement.state)


def test_an_open_dispute_is_told_and_keeps_access() -> None:
    """T22: `hold_on_dispute` is off."""
    story = renewed("2025-06-20")
    assert told(dispute(story, OPENED, "O-2")) == ["billing.dispute-opened"]
    opened = story.last(billing.DisputeOpened)
    assert (opened.order_id, opened.period_id) == ("O-2", story.period("O-2"))
    assert state(story) == "active"


def test_where_the_provider_holds_disputed_access_it_comes_back_when_the_money_stays() -> None:
    """T22: `hold_on_dispute` is on."""
    story = renewed("2025-06-20", "app-store-like")
    dispute(story, OPENED, "O-2")
    assert state(story) == "suspended"
    story.advance(10 * DAY)
    dispute(story, WON, "O-2")
    assert state(story) == "active"
    assert ends(story)[-2:] == [("hold", "2025-06-20"), ("active", "2025-06-30")]


@pytest.mark.parametrize("outcome", [WON, LOST])
def test_what_was_paid_during_a_disputed_hold_begins_at_the_end(outcome: Any) -> None:
    """3: periods never overlap, although the stage is `hold` while a period runs."""
    story = renewed("2025-06-20", "app-store-like")
    dispute(story, OPENED, "O-2")
    story.pay("O-3", "manual")
    assert story.last(billing.PeriodScheduled).start == utc("2026-06-15")
    dispute(story, outcome, "O-2")
    assert [s.identity for s in story.stages] == [s.identity for s in story.billing_stages]


def test_a_lost_dispute_about_the_current_period_revokes_it() -> None:
    """T22, S-47 with the reason chargeback; no grace follows (14)."""
    story = renewed("2025-06-20")
    dispute(story, OPENED, "O-2")
    story.advance(5 * DAY)
    said = told(dispute(story, LOST, "O-2"))
    assert said[:2] == ["billing.dispute-lost", "billing.period-revoked"]
    revoked = story.last(billing.PeriodRevoked)
    assert (revoked.reason, revoked.auto_renew, revoked.case_id) == ("chargeback", False, None)
    assert story.last(licensing.Expired).reason == "chargeback"
    assert state(story) == "revoked"
    story.advance(utc("2027-01-01"))
    assert story.all(licensing.GraceStarted) == []
    assert not story.known.history.auto_renew


def test_a_lost_dispute_about_an_upcoming_period_voids_it() -> None:
    """Q16, T19: the current period stays."""
    story = renewed("2025-06-10")
    dispute(story, OPENED, "O-2")
    dispute(story, LOST, "O-2")
    assert story.last(billing.PeriodVoided).reason == "chargeback"
    assert state(story) == "active"
    story.advance(utc("2025-12-01"))
    assert ends(story) == [("refunded_renewal", "2025-06-15")]


def test_a_lost_dispute_about_an_elapsed_period_is_money_only() -> None:
    """Q16, T20."""
    story = renewed("2025-06-20")
    dispute(story, OPENED, "O-1")
    assert told(dispute(story, LOST, "O-1")) == ["billing.dispute-lost"]
    assert state(story) == "active"
    assert story.known.history.auto_renew


@pytest.mark.parametrize("at", ["2025-06-17", "2025-07-01"], ids=["grace", "hold"])
def test_a_lost_dispute_in_grace_or_hold_expires_at_once(at: str) -> None:
    """Q9."""
    story = Story(now=utc("2024-06-15")).subscribe()
    story.advance(utc(at))
    dispute(story, LOST)
    assert ends(story)[-1] == ("chargeback", at)


def test_a_lost_dispute_about_the_current_period_pays_the_next_one_back() -> None:
    """Q12: what cannot start is not kept."""
    story = renewed("2025-06-10")
    dispute(story, OPENED, "O-1")
    dispute(story, LOST, "O-1")
    assert [r.order_id for r in story.all(payments.RefundRequested)] == ["O-2"]
    assert ends(story) == [("chargeback", "2025-06-10")]


def test_the_next_period_that_is_disputed_too_waits_for_its_own_outcome() -> None:
    """Never the same money twice: by the bank, and by us."""
    story = renewed("2025-06-10")
    dispute(story, OPENED, "O-2", dispute_id="D-2")
    dispute(story, LOST, "O-1")
    assert story.all(payments.RefundRequested) == []
    assert [r.order_id for r in story.all(billing.RefundUnderReview)] == ["O-2"]
    dispute(story, WON, "O-2", dispute_id="D-2")
    assert [r.order_id for r in story.all(payments.RefundRequested)] == ["O-2"]


def test_nothing_is_charged_while_a_dispute_is_open() -> None:
    """Q16: an open charge is withdrawn, and asked for again under a new id when the dispute is won."""
    story = Story(now=utc("2024-06-15")).subscribe()
    story.advance(utc("2025-06-01"))
    first = story.charge_id
    dispute(story, OPENED)
    assert [w.reason for w in story.all(payments.ChargeWithdrawn)] == ["dispute"]
    story.advance(5 * DAY)
    assert len(story.all(payments.ChargeRequested)) == 1
    dispute(story, WON)
    assert len(story.all(payments.ChargeRequested)) == 2
    assert story.charge_id != first
    story.renew("O-2")
    assert story.known.history.paid_through == utc("2026-06-15")


def test_a_charge_comes_due_only_after_the_dispute() -> None:
    story = Story(now=utc("2024-06-15")).subscribe()
    story.advance(utc("2025-05-20"))
    dispute(story, OPENED)
    story.advance(utc("2025-06-08"))
    assert story.all(payments.ChargeRequested) == []
    dispute(story, LOST)
    story.advance(utc("2026-01-01"))
    assert story.all(payments.ChargeRequested) == []


def test_no_refund_is_begun_or_approved_while_a_dispute_is_open() -> None:
    """Q16: declining is always allowed."""
    story = renewed("2025-06-20")
    story.request_refund("O-2", bought="2025-06-01")
    dispute(story, OPENED, "O-2")
    story.approve()
    story.request_refund("O-1", bought="2024-06-15")
    assert refusals(story) == ["DISPUTE_OPEN", "DISPUTE_OPEN"]
    assert told(story.decline())[0] == "billing.refund-declined"


def test_what_the_bank_took_back_is_not_paid_back_again() -> None:
    """5: one effect per order."""
    story = renewed("2025-06-20")
    story.request_refund("O-2", bought="2025-06-01")
    dispute(story, LOST, "O-2")
    story.approve()
    story.decline()
    story.refunded("O-2")
    assert refusals(story) == ["CHARGED_BACK"]
    assert story.all(payments.RefundRequested) == []
    assert len(story.all(billing.PeriodRevoked)) == 1
    other = renewed("2025-06-20")
    dispute(other, LOST, "O-2")
    other.request_refund("O-2", bought="2025-06-01")
    assert refusals(other) == ["CHARGED_BACK"]


def test_a_dispute_waits_for_the_payment_it_is_about() -> None:
    story = Story()
    story.order()
    assert dispute(story, OPENED, at=utc("2025-01-01")) == []
    assert dispute(story, LOST, at=utc("2025-01-01")) == []
    assert told(story.pay())[:4] == [
        "billing.period-scheduled", "billing.payment-succeeded", "billing.dispute-opened",
        "billing.dispute-lost",
    ]  # fmt: skip
    assert state(story) == "revoked"


def test_a_dispute_about_a_refused_payment_is_told_and_takes_nothing() -> None:
    story = Story().subscribe()
    story.pay("O-9", "initial", amount=PRICE.model_copy(update={"minor": 1}))
    assert story.all(billing.PaymentRefused) == []  # its order is unknown
    story.order("O-9")
    assert [refused.code for refused in story.all(billing.PaymentRefused)] == ["AMOUNT_MISMATCH"]
    dispute(story, OPENED, "O-9")
    dispute(story, LOST, "O-9")
    assert [event.period_id for event in story.all(billing.DisputeEvent)] == [None, None]
    assert state(story) == "active"


def test_money_that_comes_back_after_it_was_lost_gives_the_period_back() -> None:
    """The bank's last word counts: in between there was no access."""
    story = renewed("2025-06-20")
    dispute(story, LOST, "O-2")
    story.advance(10 * DAY)
    said = told(dispute(story, WON, "O-2"))
    assert said[:2] == ["billing.dispute-won", "billing.period-reinstated"]
    assert story.last(billing.PeriodReinstated).reason == "chargeback"
    assert ends(story)[1:] == [("chargeback", "2025-06-20"), ("active", "2025-06-30")]
    assert not story.known.history.auto_renew


def test_a_refund_that_fails_because_the_bank_took_the_money_gives_nothing_back() -> None:
    story = renewed("2025-06-20")
    story.request_refund("O-2", bought="2025-06-01")
    story.approve()
    story.advance(DAY)
    dispute(story, LOST, "O-2")
    story.advance(DAY)
    assert told(story.refund_fails("O-2")) == ["billing.refund-failed"]
    assert state(story) == "revoked"


def test_a_loss_heard_after_the_failure_it_explains_takes_the_period_again() -> None:
    """What was announced and turned out untrue is corrected."""
    story = renewed("2025-06-20")
    story.request_refund("O-2", bought="2025-06-01")
    story.approve()
    story.advance(2 * DAY)
    story.refund_fails("O-2")
    assert state(story) == "active"
    back = next(o for o in story.said if isinstance(o.data, billing.PeriodReinstated))
    dispute(story, LOST, "O-2", at=utc("2025-06-21"))
    assert story.last(billing.PeriodRevoked).corrects == (back.id,)
    assert state(story) == "revoked"
    assert ends(story)[1:] == [("refunded", "2025-06-20")]


@pytest.mark.parametrize("provider", ["online-store", "app-store-like"])
@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_steps_of_a_dispute_in_any_order_of_arrival_end_alike(
    provider: str, order: tuple[int, ...]
) -> None:
    """12."""
    story = renewed("2025-06-20", provider)
    steps = [
        story.message(kind(order_id="O-2", dispute_id="D-1", amount=PRICE), utc(at))
        for kind, at in ((OPENED, "2025-06-16"), (LOST, "2025-06-17"), (WON, "2025-06-19"))
    ]
    for position in order:
        story.receive(steps[position])
    assert [s.identity for s in story.stages] == [s.identity for s in story.billing_stages]
    assert ends(story)[-2:] == [("chargeback", "2025-06-17"), ("active", "2025-06-19")]
    assert story.access("2025-06-20").state == "active"  # type: ignore[union-attr]


def test_a_dispute_that_is_lost_again_after_it_was_won_takes_the_period_again() -> None:
    """T22: the win lies between the two losses, so the second is not the first told again."""
    story = renewed("2025-06-20")
    for kind in (LOST, WON, LOST):
        dispute(story, kind, "O-2")
        story.advance(DAY)
    assert [name for name in names([o.data for o in story.said]) if "period-r" in name] == [
        "billing.period-revoked", "billing.period-reinstated", "billing.period-revoked",
    ]  # fmt: skip
    assert ends(story)[1:] == [
        ("chargeback", "2025-06-20"), ("active", "2025-06-21"), ("chargeback", "2025-06-22"),
    ]  # fmt: skip
    assert state(story) == "revoked"


def test_a_dispute_of_money_that_bought_a_period_only_later_counts_from_its_payment() -> None:
    """What was told of it is corrected: now it is about a period."""
    story = Story()
    story.order()
    story.pay(amount=Money(minor=100, currency="EUR"))
    story.advance(DAY)
    dispute(story, OPENED)
    opened = next(o for o in story.said if isinstance(o.data, billing.DisputeOpened))
    assert opened.data.period_id is None
    story.advance(DAY)
    story.pay()
    again = story.last(billing.DisputeOpened)
    assert (again.effective_at, again.period_id, again.corrects) == (
        story.now, story.period("O-1"), (opened.id,),
    )  # fmt: skip


def test_what_a_lost_dispute_takes_is_told_whole() -> None:
    """T22: which period, where it lay, and why."""
    story = renewed("2025-06-10")
    dispute(story, LOST, "O-2")
    voided = story.last(billing.PeriodVoided)
    assert (voided.period_id, voided.order_id, voided.ordinal) == (story.period("O-2"), "O-2", 2)
    assert (voided.start, voided.end) == (utc("2025-06-15"), utc("2026-06-15"))
    assert (voided.reason, voided.case_id, voided.requested_at) == ("chargeback", None, None)
    assert (voided.effective_at, voided.auto_renew) == (utc("2025-06-10"), False)


@pytest.mark.parametrize("kind", [OPENED, WON, LOST])
def test_a_dispute_about_money_that_nobody_knows_waits(kind: type[payments.DisputeEvent]) -> None:
    story = Story().subscribe()
    assert dispute(story, kind, "O-9") == []
    assert state(story) == "active"


def test_a_loss_older_than_the_refund_that_took_the_period_takes_nothing_more() -> None:
    """Q2: what was told of the refund stays; the bank is told of by its own event."""
    story = renewed("2025-06-20")
    story.refunded("O-2")
    story.advance(DAY)
    assert told(dispute(story, LOST, "O-2", at=utc("2025-06-18"))) == ["billing.dispute-lost"]
    assert ends(story)[1:] == [("refunded", "2025-06-20")]


def test_a_dispute_that_is_won_gives_nothing_back_that_a_refund_took() -> None:
    """Q11: only what the dispute itself had taken."""
    story = renewed("2025-06-20")
    dispute(story, OPENED, "O-2")
    story.refunded("O-2")
    story.advance(DAY)
    assert told(dispute(story, WON, "O-2")) == ["billing.dispute-won"]
    assert state(story) == "revoked"
