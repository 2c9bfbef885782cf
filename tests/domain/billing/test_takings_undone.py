"""What took a period away, and turns out to have found it away already: told, corrected, and told again (Q2, Q11, Q16)."""

from datetime import datetime, timedelta

from contracts import billing, payments
from tests.support.story import PRICE, Story, names, utc

DAY = timedelta(days=1)
WON, LOST = payments.DisputeWon, payments.DisputeLost
_BOTH = [("chargeback", "02-06", "02-07"), ("chargeback", "02-08", "02-09")]


def failed() -> Story:
    """A refund of the current period is initiated on 3 February and fails on the 5th; now it is the 8th."""
    story = Story(now=utc("2025-02-03")).subscribe()
    story.advance(timedelta(minutes=1))
    story.request_refund(bought="2025-02-03")
    story.approve()
    story.advance(2 * DAY)
    story.refund_fails()
    story.advance(3 * DAY)
    return story


def decided(
    story: Story, kind: type[payments.DisputeEvent], name: str, at: datetime | None = None
) -> None:
    """The bank decides a dispute."""
    story.publish(kind(order_id="O-1", dispute_id=name, amount=PRICE), at)


def lost_and_won() -> Story:
    """After the failure the bank took the money and gave it back a day later."""
    story = failed()
    decided(story, LOST, "D-1")
    story.advance(DAY)
    decided(story, WON, "D-1")
    return story


def settled_before_it_failed(story: Story) -> list[str]:
    """The refund went through on the 4th; what billing says."""
    refund_id = story.last(payments.RefundRequested).refund_id
    said = names(story.refunded("O-1", utc("2025-02-04"), refund_id=refund_id))
    return [name for name in said if name.startswith("billing")]


def takings(story: Story) -> list[tuple[str, str, str | None]]:
    """What took the period away, since when and until when, by both services."""
    found = [
        [
            (t.reason, f"{t.at:%m-%d}", f"{t.reinstated_at:%m-%d}" if t.reinstated_at else None)
            for t in history.periods[0].takings
        ]
        for history in (story.known.history, story.licensing.history)
    ]
    assert found[0] == found[1]
    assert [s.identity for s in story.stages] == [s.identity for s in story.billing_stages]
    return found[0]


def said_by(story: Story, kind: type[billing.PeriodEnding], reason: str) -> list[str]:
    """The ids of what was told so."""
    return [o.id for o in story.said if isinstance(o.data, kind) and o.data.reason == reason]


def test_a_chargeback_after_a_refund_that_had_gone_through_takes_nothing() -> None:
    """One event says that the first taking stands, and names what was told after it."""
    story = failed()
    decided(story, LOST, "D-1")
    assert takings(story) == [("refunded", "02-03", "02-05"), ("chargeback", "02-08", None)]
    (lost,) = said_by(story, billing.PeriodRevoked, "chargeback")
    (back,) = said_by(story, billing.PeriodReinstated, "refunded")
    assert settled_before_it_failed(story) == ["billing.period-revoked", "billing.refund-settled"]
    assert story.last(billing.PeriodRevoked).corrects == (back, lost)
    assert takings(story) == [("refunded", "02-03", None)]


def test_a_chargeback_that_was_won_is_undone_with_its_end() -> None:
    story = lost_and_won()
    assert story.entitlement.state == "active"
    settled_before_it_failed(story)
    assert len(story.last(billing.PeriodRevoked).corrects) == 3
    assert takings(story) == [("refunded", "02-03", None)]
    assert story.entitlement.state == "revoked"


def test_a_refund_by_the_provider_after_one_that_had_gone_through_takes_nothing() -> None:
    story = failed()
    story.refunded()
    assert takings(story)[1:] == [("refunded", "02-08", None)]
    settled_before_it_failed(story)
    assert takings(story) == [("refunded", "02-03", None)]


def test_what_was_undone_is_told_again_when_it_takes_the_period_after_all() -> None:
    """An older dispute has it away until it is won: then the younger one finds it there again."""
    story = lost_and_won()
    decided(story, LOST, "D-2", utc("2025-02-06"))
    assert takings(story)[1:] == [("chargeback", "02-06", None)]
    assert len(story.last(billing.PeriodRevoked).corrects) == 2
    decided(story, WON, "D-2", utc("2025-02-07"))
    assert takings(story)[1:] == _BOTH
    assert len(said_by(story, billing.PeriodRevoked, "chargeback")) == 3
    assert story.entitlement.state == "active"


def test_takings_are_kept_in_the_order_of_their_instants_however_they_come() -> None:
    """Both ends of the older dispute are known before it is known to be lost."""
    story = lost_and_won()
    decided(story, WON, "D-2", utc("2025-02-07"))
    decided(story, LOST, "D-2", utc("2025-02-06"))
    assert takings(story)[1:] == _BOTH


def test_a_refund_that_failed_for_a_dispute_is_undone_when_the_dispute_is_won() -> None:
    """The refund could not be carried out because the bank had the money; then it came back (Q11, Q16)."""
    story = Story(now=utc("2025-02-03")).subscribe()
    story.advance(timedelta(minutes=1))
    story.request_refund(bought="2025-02-03")
    story.approve()
    story.advance(DAY)
    decided(story, LOST, "D-1")
    story.advance(DAY)
    story.refund_fails()
    assert takings(story) == [("refunded", "02-03", None)]
    story.advance(DAY)
    decided(story, WON, "D-1")
    assert takings(story) == [("refunded", "02-03", "02-06")]
    assert story.entitlement.state == "active"


def test_one_dispute_won_gives_nothing_back_while_another_is_lost() -> None:
    story = Story(now=utc("2025-02-03")).subscribe()
    story.advance(DAY)
    decided(story, LOST, "D-1")
    story.advance(DAY)
    decided(story, LOST, "D-2")
    story.advance(DAY)
    decided(story, WON, "D-1")
    assert takings(story) == [("chargeback", "02-04", None)]
    story.advance(DAY)
    decided(story, WON, "D-2")
    assert takings(story) == [("chargeback", "02-04", "02-07")]
    assert story.entitlement.state == "active"


def test_what_counts_again_later_than_told_undoes_the_takings_between() -> None:
    """An older dispute, heard of last, had the money from before the failure until after the younger one."""
    story = lost_and_won()
    decided(story, WON, "D-0", utc("2025-02-09") + DAY / 2)
    assert takings(story) == [("refunded", "02-03", "02-05"), ("chargeback", "02-08", "02-09")]
    story.advance(DAY)
    decided(story, LOST, "D-0", utc("2025-02-04"))
    assert takings(story) == [("refunded", "02-03", "02-09")]
    (away,) = [r for r in story.all(billing.PeriodRevoked) if r.corrects]
    assert len(away.corrects) == 3
    assert story.last(billing.PeriodReinstated).effective_at == utc("2025-02-09") + DAY / 2
    assert story.entitlement.state == "active"


def test_a_taking_that_is_undone_did_not_end_automatic_renewal() -> None:
    """The customer wanted it on again before the refund that found the period away already."""
    story = failed()
    story.uncancel()
    story.advance(DAY)
    decided(story, LOST, "D-1")
    story.advance(DAY)
    settled_before_it_failed(story)
    assert takings(story) == [("refunded", "02-03", None)]
    assert story.licensing.history.wills == story.known.history.wills
