"""What was announced and turns out untrue is corrected by an event that names it (architecture, idea 1)."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from contracts import licensing, payments
from tests.domain.licensing.tellings import Telling, Words, given_back, shifted, taken
from tests.support.story import Story, names, utc

DAY = timedelta(days=1)
END = utc("2026-01-01")


def ids(story: Story, kind: type[Any]) -> list[UUID]:
    """The event ids of everything of one type that was said."""
    return [outgoing.id for outgoing in story.said if isinstance(outgoing.data, kind)]


def lapsed(until: str, provider: str = "online-store") -> Story:
    """A year was paid and ended; nothing more has arrived."""
    story = Story(provider=provider).subscribe()
    story.advance(utc(until))
    return story


def test_a_payment_made_in_time_but_delivered_in_grace_retracts_the_grace() -> None:
    """3e: no gap in the ledger."""
    story = lapsed("2026-01-03")
    story.pay("O-2", "renewal", at=utc("2025-12-31"), charge_id=story.charge_id)
    retracted = story.last(licensing.GraceRetracted)
    assert retracted.corrects == tuple(ids(story, licensing.GraceStarted))
    assert retracted.effective_at == story.now
    assert story.last(licensing.SubscriptionRenewed).effective_at == END
    assert story.access("2026-01-02").state == "active"  # type: ignore[union-attr]
    assert not story.all(licensing.Recovered)


def test_a_payment_made_in_grace_but_delivered_in_hold_corrects_the_hold() -> None:
    story = lapsed("2026-01-20")
    story.pay("O-2", "manual", at=utc("2026-01-05"))
    recovered = story.last(licensing.Recovered)
    assert recovered.effective_at == utc("2026-01-05")
    assert set(recovered.corrects) == {
        *ids(story, licensing.HoldStarted), *ids(story, licensing.GraceEnded),
    }  # fmt: skip
    assert not story.all(licensing.GraceRetracted)
    assert story.entitlement.paid_through == utc("2027-01-01")


@pytest.mark.parametrize(
    ("paid", "kind"),
    [
        ("2025-12-31", licensing.Reinstated),
        ("2026-01-05", licensing.Recovered),
        ("2026-01-20", licensing.Recovered),
        ("2026-02-10", licensing.Resubscribed),
    ],
)
def test_a_payment_delivered_after_the_end_names_the_end_that_it_corrects(
    paid: str, kind: type[licensing.LicensingEvent]
) -> None:
    story = lapsed("2026-03-01")
    story.pay("O-2", "manual", at=utc(paid))
    corrects = story.last(kind).corrects or ()
    assert (ids(story, licensing.Expired)[0] in corrects) is (paid != "2026-02-10")
    assert story.entitlement.state == "active"


def test_a_cancellation_that_arrives_late_retracts_the_grace_and_ends_at_the_end() -> None:
    story = lapsed("2026-01-05", "isp-classic")
    story.publish(payments.CancellationRequested(channel="provider"), utc("2025-11-01"))
    assert story.last(licensing.GraceRetracted).corrects == tuple(
        ids(story, licensing.GraceStarted)
    )
    expired = story.last(licensing.Expired)
    assert (expired.reason, expired.effective_at) == ("canceled", END)
    assert story.entitlement.state == "expired"


def test_a_withdrawal_that_arrives_late_corrects_the_end_that_was_told() -> None:
    story = Story(provider="isp-classic").subscribe()
    story.publish(payments.CancellationRequested(channel="provider"))
    story.advance(utc("2026-01-03"))
    story.publish(payments.CancellationWithdrawn(channel="provider"), utc("2025-11-01"))
    assert story.last(licensing.GraceStarted).corrects == tuple(ids(story, licensing.Expired))
    assert story.entitlement.state == "grace"


def test_a_failure_that_arrives_late_corrects_the_reason_only() -> None:
    """Q8: the instant stands, the reason was another; nobody is told twice that it ended."""
    story = lapsed("2026-03-01", "isp-classic")
    assert story.last(licensing.Expired).reason == "lapsed"
    story.now += DAY
    story.publish(
        payments.PaymentFailed(
            order_id="O-2", kind="renewal", amount=story.order_data()["amount"], attempt=1,
            hard_decline=True, reason="no funds",
        ),
        utc("2026-01-02"),
    )  # fmt: skip
    corrected = story.last(licensing.ExpiryReasonCorrected)
    assert (corrected.old, corrected.new) == ("lapsed", "payment_failed")
    assert corrected.corrects == (ids(story, licensing.Expired)[0],)
    assert corrected.effective_at == utc("2026-01-15")
    assert len(story.all(licensing.Expired)) == 1


def test_a_cancellation_in_grace_that_arrives_in_hold_moves_the_end() -> None:
    story = lapsed("2026-01-20")
    story.publish(payments.CancellationRequested(channel="provider"), utc("2026-01-04"))
    expired = story.last(licensing.Expired)
    assert (expired.reason, expired.effective_at) == ("canceled", utc("2026-01-04"))
    assert expired.corrects == tuple(ids(story, licensing.HoldStarted))


def test_corrections_come_before_what_is_new() -> None:
    story = lapsed("2026-01-03")
    said = names(story.pay("O-2", "manual", at=utc("2025-12-31")))
    ours = [name for name in said if name.startswith("licensing")]
    assert ours[0] == "licensing.grace-retracted"


def test_what_was_corrected_is_not_said_again_by_the_next_message() -> None:
    story = lapsed("2026-01-03")
    story.pay("O-2", "manual", at=utc("2025-12-31"))
    assert len(ids(story, licensing.PeriodStarted)) == 2
    before = len(story.said)
    story.advance(30 * DAY)
    story.change(seats=9)
    said = [outgoing.data for outgoing in story.said[before:]]
    assert names(said) == ["billing.settings-changed", "licensing.entitlement"]


def test_what_ran_and_was_moved_ahead_of_now_is_pending_again() -> None:
    """Nothing entitles any more: everything that was said is named, and the cached entitlement follows."""
    begins = utc("2025-03-01")
    telling = Telling().tell(Words().created(), Words().period()).advance(utc("2025-02-01"))
    told = (*telling.ids(licensing.PeriodStarted), *telling.ids(licensing.EntitlementGranted))
    telling.tell(shifted(1, begins, utc("2026-03-01"), reason="reordered"))
    suspended = telling.last(licensing.EntitlementSuspended)
    assert suspended.corrects == told
    assert (suspended.state, suspended.valid_until) == ("pending", begins)
    assert telling.entitlement.state == "pending"
    assert [s.state for s in telling.entitlement.schedule][:2] == ["active", "grace"]
    telling.advance(begins)
    assert telling.entitlement.state == "active"
    assert telling.last(licensing.PeriodStarted).effective_at == begins


def test_a_period_that_began_later_is_corrected_by_its_own_begin() -> None:
    """The like of what was told takes its place."""
    words = Words()
    story = Telling().tell(words.created(), words.period())
    story.advance(utc("2025-02-01"))
    (told,) = story.ids(licensing.PeriodStarted)
    story.tell(shifted(1, utc("2025-01-06"), utc("2026-01-06"), "reordered"))
    again = story.last(licensing.PeriodStarted)
    assert again.effective_at == utc("2025-01-06")
    assert again.corrects == (told,)


def test_the_end_of_grace_by_a_refund_still_tells_the_payment() -> None:
    """The grace was of that payment; what ended it is told with the end of access."""
    story = lapsed("2026-01-03")
    paid = story.last(licensing.GraceStarted).fact_id
    story.refunded()
    assert story.last(licensing.GraceEnded).fact_id == paid
    assert story.last(licensing.Expired).fact_id != paid


def test_paid_time_that_had_not_begun_and_was_taken_corrects_nothing() -> None:
    """S-48: that it extended the entitlement was true until then."""
    begins = utc("2026-01-01")
    telling = Telling().tell(Words().created(), Words().period())
    telling.advance(utc("2025-12-20")).tell(Words().period(2, begins, paid=utc("2025-12-20")))
    assert telling.entitlements()[-1][0] == "extended"
    before = len(telling.said)
    telling.tell(taken(2, utc("2025-12-20"), "refunded_renewal", voided=True))
    assert telling.entitlements(before) == []
    assert telling.entitlement.paid_through == begins


def test_a_retracted_grace_takes_its_own_end_along_and_nothing_else() -> None:
    """Goodwill in hold, over today: the hold is corrected by a word of its own."""
    telling = Telling().tell(Words().created(), Words().period()).advance(END + 10 * DAY)
    telling.tell(shifted(1, utc("2025-01-01"), END + 20 * DAY, "goodwill"))
    retracted, recovered = (
        telling.last(k) for k in (licensing.GraceRetracted, licensing.Recovered)
    )
    assert set(retracted.corrects) == {
        *telling.ids(licensing.GraceStarted),
        *telling.ids(licensing.GraceEnded),
        *telling.ids(licensing.PeriodEnded),
    }
    assert recovered.corrects == telling.ids(licensing.HoldStarted)


def test_a_taking_that_is_told_again_changes_nothing() -> None:
    begins = utc("2025-01-01")
    first, second = taken(1, begins + DAY), taken(1, begins + 5 * DAY)
    telling = Telling().tell(Words().created(), Words().period()).advance(begins + 9 * DAY)
    telling.tell(first, given_back(1, begins + 3 * DAY), second)
    before = telling.license.history
    telling.tell(first, second)
    assert telling.license.history == before
    assert [t.reinstated_at for t in before.periods[0].takings] == [begins + 3 * DAY, None]


def test_the_entitlement_names_the_policy_that_it_follows() -> None:
    telling = Telling().tell(Words().created(), Words().period())
    told = [o for o in telling.said if isinstance(o.data, licensing.Entitlement)][-1]
    assert told.policy_version == "2020-01-01"
