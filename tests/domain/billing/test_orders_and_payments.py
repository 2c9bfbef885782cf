"""Orders and payments in any order, late and early, accepted and refused (T1 to T3, Q3, Q5, Q6)."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from contracts import billing, licensing, payments
from contracts.errors import Impossible
from contracts.policy import Policies
from contracts.values import Interval, Money, customer_id
from tests.support.story import POLICIES, PRICE, Story, names, utc

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def refused(story: Story) -> list[str]:
    """The codes of all payments that were refused."""
    return [refusal.code for refusal in story.all(billing.PaymentRefused)]


def paid_back(story: Story) -> list[str]:
    """The orders whose money was asked back."""
    return [request.order_id for request in story.all(payments.RefundRequested)]


def test_an_order_names_its_customer_by_provider_and_reference() -> None:
    """Whoever knows both finds everything about a person: contacts, mails, an erasure."""
    story = Story()
    story.order()
    created = story.last(billing.SubscriptionCreated)
    assert created.customer_id == customer_id("online-store", "C-1")
    assert (created.provider_id, created.reference) == ("online-store", "R-1")


def test_an_order_alone_is_announced_and_entitles_to_nothing() -> None:
    """T1."""
    story = Story()
    assert names(story.order()) == ["billing.subscription-created"]
    assert story.access(story.now) is None


def test_a_paid_order_is_a_paid_period_and_access() -> None:
    """T2."""
    story = Story()
    story.order()
    assert names(story.pay()) == [
        "billing.period-scheduled",
        "licensing.period-started",
        "licensing.entitlement-granted",
        "licensing.entitlement",
        "billing.payment-succeeded",
    ]
    period = story.last(billing.PeriodScheduled)
    assert (period.start, period.end) == (utc("2025-01-01"), utc("2026-01-01"))
    assert (period.ordinal, period.basis, period.period_id) == (1, "from_now", story.period("O-1"))


def test_a_payment_before_its_order_waits_and_then_counts_from_its_own_instant() -> None:
    story = Story()
    assert story.pay() == []
    story.advance(HOUR)
    assert names(story.order())[:2] == ["billing.subscription-created", "billing.period-scheduled"]
    assert story.last(billing.PeriodScheduled).start == utc("2025-01-01")
    assert story.last(licensing.EntitlementGranted).effective_at == utc("2025-01-01")


def test_upstream_clocks_that_disagree_do_not_lose_the_order() -> None:
    """The payment says that it occurred a second before its order."""
    story = Story()
    story.order()
    story.pay(at=story.now - timedelta(seconds=1))
    story = Story()
    story.pay(at=story.now - timedelta(seconds=1))
    said = names(story.order())
    assert said[:3] == [
        "billing.subscription-created", "billing.period-scheduled", "licensing.period-started",
    ]  # fmt: skip


@pytest.mark.parametrize("paid_after", [timedelta(0), 10 * HOUR])
def test_a_payment_whose_order_does_not_come_in_a_day_is_told_and_still_used(
    paid_after: timedelta,
) -> None:
    """Q6."""
    story = Story()
    story.advance(paid_after)
    story.pay()
    assert story.advance(timedelta(hours=23, minutes=59)) == []
    assert names(story.advance(timedelta(minutes=1))) == ["billing.payment-refused"]
    unknown = story.said[-1]
    assert refused(story) == ["ORDER_UNKNOWN"]
    assert paid_back(story) == []
    story.advance(10 * DAY)
    story.order()
    succeeded = story.last(billing.PaymentSucceeded)
    assert unknown.id in succeeded.corrects
    assert story.last(billing.PeriodScheduled).start == utc("2025-01-01") + paid_after


def test_an_order_that_is_not_paid_expires_after_23_hours() -> None:
    """T3."""
    story = Story()
    story.order()
    assert story.advance(timedelta(hours=22, minutes=59)) == []
    expired = story.advance(timedelta(minutes=1))
    assert names(expired) == ["billing.subscription-incomplete-expired"]
    assert story.advance(400 * DAY) == []


def test_a_payment_made_in_time_but_delivered_late_still_activates() -> None:
    """Q6: what was told about the order is corrected."""
    story = Story()
    story.order()
    story.advance(3 * DAY)
    untrue = story.said[-1]
    story.pay(at=utc("2025-01-01T10:00"))
    assert untrue.id in story.last(billing.PaymentSucceeded).corrects
    assert story.access("2025-01-02") is not None
    assert [d.corrects for d in story.all(billing.PaymentSucceeded)] == [(untrue.id,)]


def test_the_same_message_twice_says_nothing() -> None:
    """T30."""
    story = Story()
    order = story.message(payments.OrderPlaced(**story.order_data()))
    story.receive(order)
    assert story.receive(order) == []
    story.pay()
    before = story.billing
    assert story.receive(order) == []
    assert story.billing == before


def test_an_order_is_placed_once() -> None:
    story = Story()
    story.order()
    assert story.order(auto_renew=False) == []
    story.pay()
    assert story.known.history.auto_renew


def test_two_payments_of_one_order_buy_one_period() -> None:
    story = Story()
    story.order()
    story.pay()
    assert names(story.pay()) == [
        "billing.payment-refused",
        "billing.refund-initiated",
        "payments.refund-requested",
    ]
    assert refused(story) == ["ORDER_ALREADY_PAID"]
    assert paid_back(story) == ["O-1"]
    assert len(story.known.history.periods) == 1


@pytest.mark.parametrize("named", [True, False])
def test_paying_a_refused_payment_back_leaves_the_good_one_paid(named: bool) -> None:
    """The two share their order_id, and upstream need not name the refund."""
    story = Story().subscribe()
    story.pay()
    refund_id = story.last(payments.RefundRequested).refund_id
    story.advance(DAY)
    said = story.refunded(refund_id=refund_id if named else None)
    assert names(said) == ["billing.refund-settled"]
    assert story.access(story.now).state == "active"  # type: ignore[union-attr]
    assert story.refunded(refund_id=refund_id) == []


def test_a_wrong_amount_is_refused_and_the_right_one_still_counts() -> None:
    story = Story()
    story.order()
    story.pay(amount=Money(minor=1, currency="EUR"))
    assert (refused(story), paid_back(story)) == (["AMOUNT_MISMATCH"], ["O-1"])
    assert story.access(story.now) is None
    story.pay()
    assert story.access(story.now) is not None


def test_a_given_period_is_taken_for_an_initial_payment() -> None:
    """Q3."""
    story = Story()
    story.order()
    given = Interval(start=utc("2025-02-01"), end=utc("2025-03-15"))
    story.pay(period=given)
    period = story.last(billing.PeriodScheduled)
    assert (period.start, period.end, period.basis) == (given.start, given.end, "given")
    assert story.access("2025-01-31") is None
    story.pay("O-2", "manual")
    assert story.last(billing.PeriodScheduled).end == utc("2026-03-15")


def test_a_given_period_without_an_end_gets_the_terms() -> None:
    story = Story()
    story.order()
    story.pay(period=Interval(start=utc("2024-12-15")))
    assert story.last(billing.PeriodScheduled).end == utc("2025-12-15")


@pytest.mark.parametrize(
    ("kind", "start", "end", "code"),
    [
        ("renewal", "2026-01-01", "2027-01-01", None),
        ("renewal", "2026-01-01", None, None),
        ("renewal", "2026-01-02", "2027-01-01", "PERIOD_MISMATCH"),
        ("renewal", "2026-01-01", "2026-12-31", "PERIOD_MISMATCH"),
        ("manual", "2026-01-01", "2027-01-01", None),
        ("manual", "2025-12-01", "2026-12-01", "PERIOD_MISMATCH"),
        ("prepayment", "2026-01-01", "2026-07-01", None),
        ("prepayment", "2026-02-01", "2026-07-01", None),
        ("prepayment", "2025-12-31", "2026-07-01", "PERIOD_MISMATCH"),
    ],
)
def test_a_given_period_must_fit(kind: str, start: str, end: str | None, code: str | None) -> None:
    """Q3: ours for renewal and manual; for a prepayment anything that is not paid already."""
    story = Story().subscribe()
    given = Interval(start=utc(start), end=utc(end) if end else None)
    story.pay("O-2", kind, period=given)
    assert refused(story) == ([code] if code else [])
    assert paid_back(story) == (["O-2"] if code else [])


def test_a_second_renewal_of_one_period_is_refused() -> None:
    """Q5: the provider charged twice."""
    story = Story(provider="isp-classic").subscribe()
    story.advance(utc("2025-12-18"))
    story.pay("O-2", "renewal")
    story.advance(DAY)
    story.pay("O-3", "renewal")
    assert (refused(story), paid_back(story)) == (["RENEWAL_ALREADY_PAID"], ["O-3"])


def test_a_renewal_that_was_paid_by_hand_before_is_refused() -> None:
    """Q5: paid already by another order, of whatever kind."""
    for provider in ("isp-classic", "online-store"):
        story = Story(provider=provider).subscribe()
        story.advance(utc("2025-12-18"))
        charge: dict[str, Any] = {}
        if provider == "online-store":
            charge = {"charge_id": story.charge_id}
        story.pay("O-2", "manual")
        story.pay("O-3", "renewal", **charge)
        assert refused(story) == ["RENEWAL_ALREADY_PAID"], provider


def test_manual_payments_line_up_one_after_another() -> None:
    story = Story(now=utc("2024-02-29")).subscribe()
    for number in range(2, 6):
        story.pay(f"O-{number}", "manual")
    ends = [period.end for period in story.known.history.periods]
    assert ends == [
        utc("2025-02-28"), utc("2026-02-28"), utc("2027-02-28"), utc("2028-02-29"),
        utc("2029-02-28"),
    ]  # fmt: skip
    assert [p.ordinal for p in story.known.history.periods] == [1, 2, 3, 4, 5]


def test_a_late_payment_moves_what_was_paid_after_it() -> None:
    """The period moves behind the late one, and nobody is told of a gap between them."""
    story = Story().subscribe()
    story.advance(utc("2025-06-01"))
    story.pay("O-3", "manual")
    story.advance(utc("2026-02-01"))
    said = story.pay("O-2", "manual", at=utc("2025-05-01"))
    shifted = story.last(billing.PeriodShifted)
    assert (shifted.old.start, shifted.new.start) == (utc("2026-01-01"), utc("2027-01-01"))
    assert (shifted.old.ordinal, shifted.new.ordinal) == (2, 3)
    bad = {"licensing.grace-started", "licensing.expired", "licensing.hold-started"}
    assert not bad & set(names(said))


@pytest.mark.parametrize(
    ("canceled", "code"), [(True, "SUBSCRIPTION_ENDED"), (False, None)], ids=["canceled", "lapsed"]
)
def test_a_late_success_of_an_old_charge_after_the_end(canceled: bool, code: str | None) -> None:
    """Q5: after a lapse it starts from now, after a cancellation that took effect it goes back."""
    story = Story().subscribe()
    story.advance(utc("2025-12-18"))
    if canceled:
        story.cancel()
    story.advance(utc("2026-06-01"))
    story.renew("O-2")
    assert refused(story) == ([code] if code else [])
    if code is None:
        assert story.last(billing.PeriodScheduled).start == utc("2026-06-01")
        assert story.last(licensing.EntitlementGranted).effective_at == utc("2026-06-01")
    else:
        assert paid_back(story) == ["O-2"]


def test_a_new_order_after_the_end_starts_from_its_payment() -> None:
    """T27."""
    story = Story().subscribe()
    story.cancel()
    story.advance(utc("2026-03-01"))
    story.order("O-2", term="P1M")
    story.pay("O-2")
    period = story.last(billing.PeriodScheduled)
    assert (period.start, period.end) == (utc("2026-03-01"), utc("2026-04-01"))
    assert story.known.history.auto_renew
    assert story.all(licensing.Resubscribed)


def test_a_new_order_counts_from_its_payment_in_both_services() -> None:
    """Ordered while the canceled period runs, paid after its end: no grace in between."""
    story = Story().subscribe()
    story.cancel()
    story.advance(utc("2025-12-31"))
    story.order("O-2")
    story.advance(utc("2026-01-05"))
    story.pay("O-2")
    assert story.stages == story.billing_stages or [s.identity for s in story.stages] == [
        s.identity for s in story.billing_stages
    ]
    assert not story.all(licensing.GraceStarted)


def test_an_unlimited_order_has_no_end_and_is_never_charged() -> None:
    """S-08, Q22."""
    story = Story()
    story.order(term="unlimited")
    story.pay()
    assert story.last(billing.PeriodScheduled).end is None
    assert story.advance(4000 * DAY) == []
    assert story.entitlement.valid_until is None
    story.pay("O-2", "manual")
    story.pay("O-3", "renewal")
    story.cancel()
    assert story.last(billing.CancellationScheduled).cancel_at is None


def test_an_unlimited_subscription_that_is_prepaid_ends_when_the_prepayments_do() -> None:
    """S-09, T28."""
    story = Story(provider="isp-classic")
    story.order(term="unlimited")
    story.pay(period=Interval(start=utc("2025-01-01"), end=utc("2025-02-01")))
    story.pay("O-2", "prepayment", period=Interval(start=utc("2025-02-01"), end=utc("2025-03-01")))
    story.advance(utc("2025-03-02"))
    assert [stage.status for stage in story.stages] == ["active", "active", "grace", "expired"]
    assert story.entitlement.state == "grace"


@pytest.mark.parametrize(
    ("provider", "changes", "at", "code"),
    [
        ("nobody", {}, None, "unknown_provider"),
        ("online-store", {"billing_tz": "Mars/Olympus"}, None, "unknown_time_zone"),
        ("online-store", {}, utc("2025-01-02T00:00:01"), "far_future"),
    ],
)
def test_what_can_never_be_processed_is_impossible(
    provider: str, changes: dict[str, Any], at: datetime | None, code: str
) -> None:
    story = Story(provider=provider)
    with pytest.raises(Impossible) as raised:
        story.publish(payments.OrderPlaced(**story.order_data(**changes)), at)
    assert raised.value.code == code


@pytest.mark.parametrize("term", ["P200Y", "P9999Y", "P9999M", "P9999W"])
def test_a_term_without_end_in_sight_is_impossible_when_paid(term: str) -> None:
    story = Story()
    story.order(term=term)
    with pytest.raises(Impossible) as raised:
        story.pay()
    assert raised.value.code == "period_out_of_range"


def test_a_given_end_beyond_all_time_is_impossible() -> None:
    story = Story()
    story.order()
    with pytest.raises(Impossible):
        story.pay(period=Interval(start=utc("2025-01-01"), end=utc("2199-12-31")))


def test_a_payment_a_little_ahead_of_our_clock_counts_when_its_time_comes() -> None:
    story = Story()
    story.order()
    assert story.pay(at=story.now + HOUR) == []
    assert story.billing.due_at == story.now + HOUR
    assert names(story.advance(HOUR))[0] == "billing.period-scheduled"


def test_the_price_of_the_order_is_the_price_of_the_period() -> None:
    story = Story().subscribe()
    assert story.last(billing.PeriodScheduled).amount == PRICE


def test_an_older_payment_of_a_charge_that_was_answered_is_refused_and_paid_back() -> None:
    """Q5: the answer that was told stays, whichever happened first."""
    story = Story().subscribe()
    story.advance(utc("2025-12-18"))
    asked = story.charge_id
    story.advance(utc("2025-12-20"))
    story.renew("O-2")
    story.advance(DAY)
    story.pay("O-3", "renewal", charge_id=asked, at=utc("2025-12-19"))
    assert story.last(billing.PaymentRefused).code == "RENEWAL_ALREADY_PAID"
    assert story.last(payments.RefundRequested).order_id == "O-3"
    assert story.known.history.paid_through == utc("2027-01-01")


def test_an_older_order_that_arrives_later_is_the_one_that_created_it() -> None:
    """12: what was told of the other is corrected, and it is not ordered twice."""
    story = Story(now=utc("2025-01-05"))
    story.order("O-2", term="P1M")
    (told,) = [o.id for o in story.said if isinstance(o.data, billing.SubscriptionCreated)]
    story.publish(payments.OrderPlaced(**story.order_data("O-1")), at=utc("2025-01-01"))
    again = story.last(billing.SubscriptionCreated)
    assert (again.effective_at, again.plan.term, again.corrects) == (
        utc("2025-01-01"), "P1Y", (told,),
    )  # fmt: skip
    (will,) = story.licensing.history.wills
    assert will == story.known.history.wills[0]


def test_money_of_a_refused_payment_is_no_refund_of_the_period() -> None:
    """Q4: its order can still be refunded, once."""
    story = Story().subscribe()
    story.pay()
    back = story.last(billing.RefundInitiated)
    assert (back.period_id, back.effect, back.full) == (None, "none", True)
    assert names(story.request_refund()) == [
        "billing.refund-requested", "billing.refund-under-review",
    ]  # fmt: skip


def test_a_charge_that_crosses_a_payment_in_grace_is_refused() -> None:
    """Q5: the period after the end is paid, though it began before the charge succeeded."""
    story = Story().subscribe()
    story.advance(utc("2026-01-03"))
    asked = story.charge_id
    story.pay("O-2", "manual")
    story.advance(DAY)
    story.pay("O-3", "renewal", charge_id=asked)
    assert (refused(story), paid_back(story)) == (["RENEWAL_ALREADY_PAID"], ["O-3"])


def test_calendar_steps_of_an_order_are_made_where_it_was_placed() -> None:
    """Q21."""
    story = Story().subscribe()
    story.order("O-2", billing_tz="Asia/Tokyo")
    first = story.known.billing_tz("O-1")
    assert (story.known.billing_tz("O-2"), first) == ("Asia/Tokyo", story.known.billing_tz("O-9"))
    assert first != "Asia/Tokyo"


def test_beside_an_open_period_nothing_limited_is_renewed() -> None:
    """S-22: paid time is open, whatever else was bought."""
    story = Story()
    story.order(term="unlimited")
    story.pay()
    ahead = Interval(start=utc("2025-02-01"), end=utc("2026-02-01"))
    story.pay("O-2", "prepayment", period=ahead)
    assert story.known.history.paid_through is None
    story.advance(utc("2026-01-31"))
    assert story.all(billing.RenewalReminderDue) == story.all(payments.ChargeRequested) == []
    assert story.access("2025-06-01").days_remaining is None  # type: ignore[union-attr]


def test_every_new_order_that_is_paid_renews_again() -> None:
    """T27: also the second after a cancellation."""
    story = Story()
    for number in (1, 2, 3):
        story.order(f"O-{number}", term="P1M")
        story.pay(f"O-{number}")
        assert story.known.history.auto_renew
        story.cancel()
        assert not story.known.history.auto_renew
        story.advance(timedelta(days=40))
    assert [s.reason for s in story.stages if s.reason] == ["canceled"] * 3


def test_where_no_grace_is_offered_a_payment_at_the_end_begins_a_new_chain() -> None:
    """S-14, T14: at one instant the end counts first."""
    pack = POLICIES.in_force("online-store", utc("2025-01-01"))
    sudden = pack.model_copy(update={"grace": timedelta(0)})
    story = Story(policies=Policies({"online-store": (sudden,)}), now=utc("2025-01-31"))
    story.order(term="P1M", auto_renew=False)
    story.pay()
    story.advance(utc("2025-02-28"))
    story.pay("O-2", "manual")
    period = story.last(billing.PeriodScheduled)
    assert (period.start, period.end) == (utc("2025-02-28"), utc("2025-03-28"))
    assert period.basis == "from_now"


def test_a_refused_payment_stays_refused_whatever_arrives_later() -> None:
    """Idea 1: its money went back; that it would have fitted, as an older refund shows, is too late."""
    story = Story(provider="isp-classic")
    story.order(term="P1M")
    story.pay()
    ahead = Interval(start=utc("2025-02-01"), end=utc("2025-03-01"))
    story.pay("O-2", "prepayment", period=ahead)
    story.advance(2 * DAY)
    story.pay("O-3", "prepayment", period=ahead)
    assert (refused(story), paid_back(story)) == (["PERIOD_MISMATCH"], ["O-3"])
    story.refunded("O-2", at=utc("2025-01-02"))
    assert [p.order_id for p in story.known.history.counting] == ["O-1"]
    assert refused(story) == ["PERIOD_MISMATCH"]


def test_a_payment_tells_the_period_that_it_bought() -> None:
    story = Story().subscribe()
    paid = story.last(billing.PaymentSucceeded)
    assert (paid.period_id, paid.order_id, paid.amount) == (story.period("O-1"), "O-1", PRICE)
