"""Refunds: who may ask, until when, what it takes away, and what a failed one gives back (S-41 to S-48, Q9 to Q14)."""

from datetime import timedelta

import pytest

from contracts import billing, licensing, payments
from contracts.values import Money
from tests.support.story import Story, names, utc

DAY = timedelta(days=1)
HALF = Money(minor=2499, currency="EUR")


def renewed(requested: str | None = None) -> Story:
    """P1 2024-06-15 to 2025-06-15, P2 paid 2025-06-01; then time passes to `requested` (1e)."""
    story = Story(now=utc("2024-06-15")).subscribe()
    story.advance(utc("2025-06-01"))
    story.renew("O-2")
    if requested:
        story.advance(utc(requested))
    return story


def ask_for_renewal(story: Story) -> None:
    """Ask for the money of P2."""
    story.request_refund("O-2", bought="2025-06-01")


def told(story: Story) -> list[tuple[str, str]]:
    """The timeline from the second stage on."""
    return [(stage.reason or stage.status, f"{stage.start:%Y-%m-%d}") for stage in story.stages[1:]]


def declined(story: Story) -> list[str]:
    """The codes of all declined refunds."""
    return [refund.code for refund in story.all(billing.RefundDeclined)]


def refused(story: Story) -> list[str]:
    """The codes of all refused commands."""
    return [command.code for command in story.all(billing.CommandRefused)]


def test_a_refund_goes_from_request_to_review_to_money() -> None:
    """S-44 to S-46."""
    story = Story().subscribe()
    story.advance(DAY)
    assert names(story.request_refund()) == [
        "billing.refund-requested", "billing.refund-under-review",
    ]  # fmt: skip
    assert story.last(billing.RefundUnderReview).effect == "current_revoked"
    said = names(story.approve())
    assert [name for name in said if name.startswith(("billing", "payments"))] == [
        "billing.refund-approved", "billing.refund-initiated", "payments.refund-requested",
        "billing.period-revoked",
    ]  # fmt: skip
    asked = story.last(payments.RefundRequested)
    story.advance(3 * DAY)
    assert names(story.refunded(refund_id=asked.refund_id)) == ["billing.refund-settled"]


def test_a_refund_of_the_current_period_expires_at_once() -> None:
    """S-47, T18."""
    story = Story().subscribe()
    story.advance(10 * DAY)
    story.request_refund()
    assert told(story)[0][0] == "grace"
    story.approve()
    assert story.entitlement.state == "revoked"
    assert story.last(licensing.Expired).reason == "refunded"
    initiated = story.last(billing.RefundInitiated)
    assert (initiated.effect, initiated.access_until) == ("current_revoked", story.now)
    assert not story.known.history.auto_renew
    story.advance(utc("2027-01-01"))
    assert story.all(licensing.GraceStarted) == story.all(payments.ChargeRequested) == []


def test_a_refund_of_a_renewal_that_has_not_begun_leaves_the_current_period() -> None:
    """S-48, 1e: request 06-10, access to 2025-06-15, no grace, renewal off."""
    story = renewed("2025-06-10")
    ask_for_renewal(story)
    assert story.last(billing.RefundUnderReview).effect == "upcoming_voided"
    story.approve()
    assert story.entitlement.state == "active"
    assert story.last(billing.RefundInitiated).access_until == utc("2025-06-15")
    assert story.all(billing.PeriodVoided)
    assert not story.known.history.auto_renew
    story.advance(utc("2025-09-01"))
    assert told(story) == [("refunded_renewal", "2025-06-15")]


def test_a_refund_of_a_renewal_that_has_begun_expires_at_once() -> None:
    """S-48, 1e: request 2025-06-20, 19 days after the order."""
    story = renewed("2025-06-20")
    ask_for_renewal(story)
    story.approve()
    assert told(story)[1:] == [("refunded", "2025-06-20")]


@pytest.mark.parametrize(
    ("approved", "ends"),
    [("2025-06-14", "2025-06-15"), ("2025-06-15", "2025-06-15"), ("2025-06-17", "2025-06-17")],
    ids=["before the start", "exactly at the start", "after the start"],
)
def test_the_request_decides_and_the_approval_takes_effect(approved: str, ends: str) -> None:
    """Q10: days already used stay used; never any grace (14)."""
    story = renewed("2025-06-14")
    ask_for_renewal(story)
    story.advance(utc(approved))
    story.approve()
    story.advance(utc("2025-12-01"))
    assert told(story)[-1] == ("refunded_renewal", ends)
    assert story.all(licensing.GraceStarted) == []
    assert [e.reason for e in story.all(licensing.Expired)] == ["refunded_renewal"]


def test_a_request_exactly_at_the_start_is_about_the_current_period() -> None:
    story = renewed("2025-06-15")
    ask_for_renewal(story)
    story.approve()
    assert story.last(billing.RefundInitiated).effect == "current_revoked"


@pytest.mark.parametrize(
    ("at", "codes"),
    [
        ("2025-07-01T21:59:59", []),
        ("2025-07-01T22:00", ["OUTSIDE_WINDOW"]),
        ("2025-07-02", ["OUTSIDE_WINDOW"]),
    ],
)
def test_the_last_day_of_the_window_counts_whole(at: str, codes: list[str]) -> None:
    """Q13, 1e: ordered 2025-06-01, the last day is 2025-07-01 in Berlin."""
    story = renewed(at)
    ask_for_renewal(story)
    assert declined(story) == codes


def test_the_day_of_the_request_counts_not_of_the_approval() -> None:
    """S-41."""
    story = renewed("2025-07-01")
    ask_for_renewal(story)
    story.advance(30 * DAY)
    story.approve()
    assert story.last(billing.RefundInitiated).effect == "current_revoked"


@pytest.mark.parametrize("wrong", [{"name": "Bob"}, {"bought": "2025-01-02"}], ids=["name", "date"])
def test_a_wrong_detail_closes_that_attempt_only(wrong: dict[str, str]) -> None:
    """S-43, Q14: the code does not tell which; the same attempt again returns the same case."""
    story = Story().subscribe()
    story.request_refund(**wrong)
    attempt = story.last(billing.RefundDeclined)
    assert attempt.code == "IDENTITY_MISMATCH"
    story.request_refund(**wrong)
    refusal = story.last(billing.CommandRefused)
    assert (refusal.code, refusal.case_id) == ("REFUND_EXISTS", attempt.case_id)
    assert names(story.request_refund())[0] == "billing.refund-requested"


def test_the_digest_forgives_case_and_spacing() -> None:
    story = Story().subscribe()
    story.request_refund(name="  ANN   lee ")
    assert declined(story) == []


@pytest.mark.parametrize("then", ["", "approve", "decline"])
def test_a_second_request_names_the_case(then: str) -> None:
    """S-44."""
    story = Story().subscribe()
    story.request_refund()
    case_id = story.last(billing.RefundRequested).case_id
    if then:
        getattr(story, then)()
    story.request_refund()
    refusal = story.last(billing.CommandRefused)
    assert (refusal.code, refusal.case_id) == ("REFUND_EXISTS", case_id)


@pytest.mark.parametrize("first", ["approve", "decline"])
@pytest.mark.parametrize("second", ["approve", "decline"])
def test_a_case_is_decided_once(first: str, second: str) -> None:
    story = Story().subscribe()
    story.request_refund()
    getattr(story, first)()
    getattr(story, second)()
    assert refused(story) == ["CASE_CLOSED"]
    case = story.last(billing.RefundUnderReview)
    assert story.last(billing.CommandRefused).case_id == case.case_id


def test_what_cannot_be_refunded_through_us_is_refused_with_the_link() -> None:
    """S-42: a manual payment, and a provider without refunds."""
    story = Story(provider="isp-classic").subscribe()
    story.request_refund()
    assert refused(story) == ["REFUND_NOT_OFFERED"]
    story = Story().subscribe()
    story.pay("O-2", "manual")
    story.request_refund("O-2")
    assert refused(story) == ["REFUND_NOT_OFFERED"]
    assert story.last(billing.CommandRefused).link


def test_an_order_that_nobody_knows_is_refused() -> None:
    story = Story().subscribe()
    story.request_refund("O-9")
    assert refused(story) == ["ORDER_UNKNOWN"]


def test_refunding_the_current_period_refunds_the_paid_next_one() -> None:
    """Q12: at once, without review."""
    story = Story()
    story.order(term="P1M")
    story.pay()
    story.advance(utc("2025-01-25"))
    story.renew("O-2")
    story.advance(utc("2025-01-27"))
    story.request_refund()
    story.advance(DAY)
    story.approve()
    initiated = story.all(billing.RefundInitiated)
    assert [(refund.order_id, refund.effect) for refund in initiated] == [
        ("O-1", "current_revoked"), ("O-2", "upcoming_voided"),
    ]  # fmt: skip
    assert told(story) == [("refunded", "2025-01-28")]
    assert story.known.history.paid_through is None


def test_a_provider_that_refunds_the_current_period_refunds_the_next_one_too() -> None:
    """Q12, Q10."""
    story = renewed("2025-06-10")
    story.refunded("O-1")
    assert [r.order_id for r in story.all(payments.RefundRequested)] == ["O-2"]
    assert told(story) == [("refunded", "2025-06-10")]


def test_the_case_of_the_next_period_that_waits_is_approved_with_it() -> None:
    """Q12."""
    story = renewed("2025-06-10")
    ask_for_renewal(story)
    story.refunded("O-1")
    assert len(story.all(billing.RefundRequested)) == 1
    assert [r.order_id for r in story.all(payments.RefundRequested)] == ["O-2"]


def test_the_next_period_outside_its_window_is_left_to_an_operator() -> None:
    """Q12."""
    story = Story().subscribe()
    story.pay("O-2", "manual")
    story.advance(10 * DAY)
    story.request_refund()
    story.approve()
    assert [r.order_id for r in story.all(payments.RefundRequested)] == ["O-1"]
    assert told(story)[:2] == [("refunded", "2025-01-11"), ("active", "2026-01-01")]


@pytest.mark.parametrize(
    ("requested", "effect"),
    [(None, "current_revoked"), ("2025-06-14", "upcoming_voided")],
    ids=["no own time", "asked before the start"],
)
def test_a_refund_that_the_provider_made_by_itself(requested: str | None, effect: str) -> None:
    """Q10: judged by its own requested_at, else by when it occurred; the effect is then."""
    story = renewed("2025-06-20")
    story.refunded("O-2", requested_at=utc(requested) if requested else None)
    assert story.last(billing.RefundInitiated).effect == effect
    assert story.all(payments.RefundRequested) == []
    assert story.last(licensing.Expired).effective_at == utc("2025-06-20")


def test_the_effect_of_a_providers_refund_does_not_change_with_what_arrives_later() -> None:
    """A verdict that was told stays, and both services keep the same timeline."""
    story = renewed("2025-06-20")
    story.refunded("O-2")
    story.pay("O-3", "manual", at=utc("2025-05-01"))
    assert [s.identity for s in story.stages] == [s.identity for s in story.billing_stages]


def test_a_partial_refund_and_one_of_an_elapsed_period_are_money_only() -> None:
    """Q9, T20."""
    story = Story().subscribe()
    story.refunded(full=False, amount=HALF)
    assert story.last(billing.RefundInitiated).effect == "none"
    assert story.known.history.auto_renew
    story = renewed("2025-06-20")
    story.refunded("O-1")
    assert story.last(billing.RefundInitiated).effect == "none"
    assert story.entitlement.state == "active"


def test_a_late_refund_of_an_elapsed_period_that_was_asked_for_before_it_began_is_money_only() -> (
    None
):
    """Q9 before Q10."""
    story = renewed("2026-06-02")
    story.renew("O-3")
    story.advance(utc("2026-07-01"))
    story.refunded("O-2", requested_at=utc("2025-06-10"))
    assert story.last(billing.RefundInitiated).effect == "none"


def test_a_full_refund_after_a_partial_one_takes_the_period() -> None:
    """Q9."""
    story = Story().subscribe()
    story.refunded(full=False, amount=HALF)
    story.refunded()
    assert story.entitlement.state == "revoked"
    assert story.refunded()
    assert len(story.all(billing.PeriodRevoked)) == 1


@pytest.mark.parametrize("at", ["2025-06-17", "2025-07-01"], ids=["grace", "hold"])
def test_a_refund_of_the_latest_period_in_grace_or_hold_expires_at_once(at: str) -> None:
    """Q9, S-14e."""
    story = Story(now=utc("2024-06-15")).subscribe()
    story.advance(utc(at))
    story.refunded("O-1")
    assert story.entitlement.state == "revoked"
    assert story.last(licensing.Expired).effective_at == utc(at)


def test_a_refund_that_failed_gives_the_current_period_back() -> None:
    """T21, Q11: renewal stays off."""
    story = Story().subscribe()
    story.advance(10 * DAY)
    story.request_refund()
    story.approve()
    story.advance(3 * DAY)
    story.refund_fails()
    assert story.entitlement.state == "active"
    assert story.last(licensing.Reinstated).effective_at == story.now
    assert not story.known.history.auto_renew
    story.advance(utc("2025-12-31"))
    assert story.all(payments.ChargeRequested) == []


@pytest.mark.parametrize(
    ("fails", "after"),
    [
        ("2025-06-13", [("active", "2025-06-15")]),
        ("2025-06-20", [("refunded_renewal", "2025-06-15"), ("active", "2025-06-20")]),
    ],
    ids=["upcoming", "current"],
)
def test_a_refund_that_failed_gives_the_next_period_back(
    fails: str, after: list[tuple[str, str]]
) -> None:
    """Q11."""
    story = renewed("2025-06-10")
    ask_for_renewal(story)
    story.approve()
    story.advance(utc(fails))
    story.refund_fails("O-2")
    story.advance(utc("2025-07-01"))
    assert told(story)[: len(after)] == after
    assert story.entitlement.state == "active"
    assert story.entitlement.paid_through == utc("2026-06-15")


def test_a_period_given_back_lines_up_behind_what_was_bought_meanwhile() -> None:
    """Q11, 3: periods never overlap."""
    story = renewed("2025-06-10")
    ask_for_renewal(story)
    story.approve()
    story.advance(DAY)
    story.pay("O-3", "manual")
    story.refund_fails("O-2")
    starts = [(period.order_id, period.start) for period in story.known.history.counting]
    assert starts == [
        ("O-1", utc("2024-06-15")), ("O-3", utc("2025-06-15")), ("O-2", utc("2026-06-15")),
    ]  # fmt: skip
    assert story.entitlement.paid_through == utc("2027-06-15")


def test_a_failure_after_the_money_went_back_changes_nothing() -> None:
    story = Story().subscribe()
    story.request_refund()
    story.approve()
    refund_id = story.last(payments.RefundRequested).refund_id
    story.refunded(refund_id=refund_id)
    assert story.refund_fails() == []
    assert story.entitlement.state == "revoked"


def test_a_refund_before_its_payment_arrived_counts_when_it_does() -> None:
    story = Story()
    story.order()
    story.advance(DAY)
    assert story.refunded() == []
    story.pay(at=utc("2025-01-01T12:00"))
    assert story.entitlement.state == "revoked"
    assert not story.known.history.auto_renew


def test_a_command_without_its_case_is_refused() -> None:
    story = Story().subscribe()
    story.request_refund()
    other = Story(reference="R-2").subscribe()
    other.said.append(story.said[-1])
    other.approve()
    assert refused(other) == ["CASE_UNKNOWN"]


def test_a_refund_that_fails_twice_gives_the_period_back_once() -> None:
    """T21: as of the first failure."""
    story = Story().subscribe()
    story.request_refund()
    story.approve()
    story.advance(2 * DAY)
    story.refund_fails()
    failed = story.now
    story.advance(2 * DAY)
    assert names(story.refund_fails()) == []
    (back,) = [taken.reinstated_at for taken in story.known.history.periods[0].takings]
    assert back == failed


def test_a_refund_of_a_refused_payment_that_fails_gives_nothing_back() -> None:
    """Q11: it had bought nothing."""
    story = Story()
    story.order()
    story.pay(amount=HALF)
    assert story.last(billing.PaymentRefused).code == "AMOUNT_MISMATCH"
    assert names(story.refund_fails()) == ["billing.refund-failed"]
    assert story.known.history.periods == ()


def test_a_refund_that_changes_nothing_names_no_end_of_access() -> None:
    """T20."""
    story = Story().subscribe()
    story.refunded(full=False, amount=HALF)
    assert story.last(billing.RefundInitiated).access_until is None
    taking = renewed("2025-06-20")
    taking.refunded("O-2")
    assert taking.last(billing.RefundInitiated).access_until == utc("2025-06-20")


def test_a_refund_from_grace_that_is_told_after_the_renewal_is_money_only() -> None:
    """Q9: the period that it was about has its successor."""
    story = Story().subscribe()
    story.advance(utc("2026-01-05"))
    story.pay("O-2", "manual")
    story.refunded("O-1", at=utc("2026-01-03"))
    assert story.last(billing.RefundInitiated).effect == "none"
    assert story.entitlement.state == "active"


def test_a_paid_period_tells_until_when_it_is_refunded() -> None:
    """S-41, Q13; nothing where the provider refunds none."""
    assert renewed().last(billing.PeriodScheduled).refund_until == utc("2025-07-01T22:00")
    elsewhere = Story(provider="isp-classic").subscribe()
    assert elsewhere.last(billing.PeriodScheduled).refund_until is None


def test_a_next_period_that_was_given_back_in_time_begins_as_any_other() -> None:
    """Q11."""
    story = renewed("2025-06-10")
    ask_for_renewal(story)
    story.approve()
    story.advance(utc("2025-06-13"))
    story.refund_fails("O-2")
    story.advance(utc("2025-07-01"))
    begun = [event.effective_at for event in story.all(licensing.PeriodStarted)]
    assert begun == [utc("2024-06-15"), utc("2025-06-15")]
    assert story.all(licensing.Reinstated) == []
