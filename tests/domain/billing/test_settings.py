"""Settings mid-term: seats, term, product and price (S-01, Q25, Q26)."""

from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest

from contracts import billing, payments
from contracts.values import Interval, Money
from tests.domain.billing.test_pauses import END, bounds, offering, refusals, renewed
from tests.support.story import PRICE, Story, names, utc

DAY = timedelta(days=1)
MORE = Money(minor=7999, currency="EUR")


def seats_at(story: Story, at: str) -> int:
    """The seats of the period that runs at an instant."""
    period = story.known.running(utc(at))
    assert period
    return story.known.history.seats_at(period, utc(at))


def changes(story: Story) -> list[tuple[dict[str, Any], str]]:
    """Every settings-changed: what changed, and since when."""
    return [
        (
            {
                name: value
                for name, value in told.model_dump().items()
                if value is not None and name in ("seats", "term", "product_id", "amount")
            },
            told.effective_at.date().isoformat(),
        )
        for told in story.all(billing.SettingsChanged)
    ]


def test_more_seats_count_at_once() -> None:
    """Q26."""
    story = Story().subscribe()
    story.advance(utc("2025-03-01"))
    said = names(story.change(seats=5))
    assert said[0] == "billing.settings-changed"
    assert changes(story) == [({"seats": 5}, "2025-03-01")]
    assert [seats_at(story, day) for day in ("2025-02-28", "2025-03-01")] == [3, 5]


def test_fewer_seats_count_from_the_end_of_the_running_period() -> None:
    """Q25: even when a later one is paid."""
    story = renewed(Story().subscribe())
    story.change(seats=1)
    assert changes(story) == [({"seats": 1}, "2026-01-01")]
    assert [seats_at(story, day) for day in ("2025-12-31", "2026-01-01")] == [3, 1]
    story.advance(utc("2026-12-20"))
    story.renew("O-3")
    assert story.last(billing.PeriodScheduled).plan.seats == 1


def test_fewer_seats_wait_for_the_moved_end() -> None:
    """T25: the event is corrected when the period moves."""
    story = Story(policies=offering("freeze_term")).subscribe()
    story.change(seats=1)
    story.advance(utc("2025-03-01"))
    story.pause("2025-04-01")
    first, second = story.all(billing.SettingsChanged)
    assert (first.effective_at, second.effective_at) == (END, END + 31 * DAY)
    assert second.corrects
    assert first.fact_id == second.fact_id
    assert seats_at(story, "2026-01-31") == 3


def test_the_last_word_about_seats_counts() -> None:
    """Up, down, and up again: the reduction that was still ahead is dropped."""
    story = renewed(Story().subscribe())
    for seats in (5, 4, 6):
        story.change(seats=seats)
        story.advance(DAY)
    assert [seats_at(story, day) for day in ("2025-12-21", "2025-12-23", "2026-01-01")] == [5, 6, 6]
    story.change(seats=2)
    story.change(seats=6)
    assert seats_at(story, "2026-01-01") == 6


def test_term_product_and_price_count_with_the_next_payment() -> None:
    """Q26, S-01."""
    story = Story().subscribe()
    story.advance(utc("2025-06-01"))
    story.change(term="P2Y", product_id="total-security", amount=MORE)
    changed = {"term": "P2Y", "product_id": "total-security", "amount": MORE.model_dump()}
    assert changes(story) == [(changed, "2026-01-01")]
    assert bounds(story)[1] == END
    story.advance(utc("2025-12-19"))
    reminder, charge = story.last(billing.RenewalReminderDue), story.last(payments.ChargeRequested)
    assert (reminder.plan.term, reminder.amount) == ("P2Y", MORE)
    assert (charge.period.end, charge.amount) == (utc("2028-01-01"), MORE)
    story.renew("O-2")
    bought = story.last(billing.PeriodScheduled)
    assert (bought.plan.term, bought.plan.product_id) == ("P2Y", "total-security")
    assert bounds(story, "O-2") == (END, utc("2028-01-01"))
    assert len(changes(story)) == 1


def test_seats_and_the_rest_are_told_apart() -> None:
    """Each with the instant from which it counts."""
    story = Story().subscribe()
    story.advance(utc("2025-06-01"))
    story.change(seats=5, amount=MORE)
    assert changes(story) == [
        ({"seats": 5}, "2025-06-01"),
        ({"amount": MORE.model_dump()}, "2026-01-01"),
    ]


def test_a_charge_that_is_open_is_not_changed() -> None:
    """What was asked for is what is bought; the change counts with the payment after that."""
    story = Story().subscribe()
    story.advance(utc("2025-12-18"))
    story.change(term="P2Y", amount=MORE)
    assert story.all(payments.ChargeWithdrawn) == []
    assert changes(story)[-1][1] == "2026-01-01"
    story.renew("O-2")
    assert story.last(billing.PeriodScheduled).plan.term == "P1Y"
    assert bounds(story, "O-2")[1] == utc("2027-01-01")
    assert changes(story)[-1][1] == "2027-01-01"
    story.advance(utc("2026-12-19"))
    assert story.last(payments.ChargeRequested).amount == MORE
    story.renew("O-3")
    assert bounds(story, "O-3") == (utc("2027-01-01"), utc("2029-01-01"))


def test_a_manual_payment_buys_what_is_in_force() -> None:
    story = Story().subscribe()
    story.change(term="P1M")
    story.advance(DAY)
    story.pay("O-2", "manual")
    assert bounds(story, "O-2") == (END, utc("2026-02-01"))


def test_a_new_order_replaces_the_settings() -> None:
    """T27: what was ordered is what is bought."""
    story = Story().subscribe()
    story.change(seats=5, term="P2Y")
    story.advance(utc("2026-06-01"))
    story.order("O-2")
    story.pay("O-2")
    bought = story.last(billing.PeriodScheduled)
    assert (bought.plan.term, bought.plan.seats) == ("P1Y", 3)
    assert seats_at(story, "2026-06-02") == 3
    assert len(changes(story)) == 2


def test_settings_of_the_provider_before_the_first_payment_are_bought_with_it() -> None:
    story = Story(provider="isp-classic")
    story.order()
    story.publish(payments.SettingsChanged(seats=7))
    story.pay()
    assert story.last(billing.PeriodScheduled).plan.seats == 7


def test_an_unlimited_subscription_has_no_end_to_wait_for() -> None:
    story = Story()
    story.order(term="unlimited")
    story.pay()
    story.advance(DAY)
    story.change(seats=1)
    assert seats_at(story, "2025-01-02") == 1
    story.change(amount=MORE)
    assert changes(story)[-1][1] == "2025-01-02"


@pytest.mark.parametrize(
    ("provider", "change", "code"),
    [
        ("app-store-like", {"term": "P2Y"}, "CAPABILITY_NOT_OFFERED"),
        ("app-store-like", {"seats": 5, "product_id": "x"}, "CAPABILITY_NOT_OFFERED"),
        ("isp-classic", {"product_id": "x"}, "CAPABILITY_NOT_OFFERED"),
        ("online-store", {}, "NOTHING_CHANGES"),
        ("online-store", {"seats": 3, "term": "P1Y", "amount": PRICE}, "NOTHING_CHANGES"),
    ],
)
def test_a_change_that_is_not_offered_or_none_is_refused(
    provider: str, change: dict[str, Any], code: str
) -> None:
    """S-01, S-05."""
    story = Story(provider=provider).subscribe()
    said = story.change(**change)
    assert names(said) == ["billing.command-refused"]
    assert refusals(story) == [code]
    link = story.last(billing.CommandRefused).link
    assert bool(link) is (code == "CAPABILITY_NOT_OFFERED")
    assert story.known.changes == []


def test_no_settings_before_the_payment_and_after_the_end() -> None:
    story = Story()
    story.order()
    story.change(seats=5)
    story.pay()
    story.advance(utc("2026-06-01"))
    story.change(seats=5)
    assert refusals(story) == ["NOT_ACTIVE", "SUBSCRIPTION_ENDED"]


def test_the_same_settings_told_by_the_provider_say_nothing() -> None:
    story = Story(provider="isp-classic").subscribe()
    assert story.publish(payments.SettingsChanged(seats=3, term="P1Y")) == []


def test_settings_older_than_a_payment_that_arrive_after_it_correct_what_it_bought() -> None:
    """12: the period is told again with its plan, and moved when its term is another."""
    story = Story(provider="isp-classic").subscribe()
    story.advance(utc("2025-12-20"))
    story.pay("O-2", "manual")
    told = [o.id for o in story.said if isinstance(o.data, billing.PeriodScheduled)]
    story.publish(payments.SettingsChanged(term="P2Y", seats=5), at=utc("2025-12-01"))
    assert story.last(billing.PeriodShifted).new.end == utc("2028-01-01")
    again = story.last(billing.PeriodScheduled)
    assert (again.plan.term, again.plan.seats, again.end) == ("P2Y", 5, utc("2028-01-01"))
    assert again.corrects == (told[-1],)
    assert [p.plan for p in story.licensing.history.periods] == [
        p.plan for p in story.known.history.periods
    ]


@pytest.mark.parametrize("order", tuple(permutations(range(5))))
def test_settings_told_in_any_order_of_arrival_end_alike(order: tuple[int, ...]) -> None:
    """12."""
    story = Story(provider="isp-classic", now=utc("2025-07-02"))
    initial = Interval(start=utc("2025-01-01"), end=None)
    happened: list[tuple[Any, str]] = [
        (payments.OrderPlaced(**story.order_data()), "2025-01-01"),
        (
            payments.PaymentSucceeded(order_id="O-1", kind="initial", amount=PRICE, period=initial),
            "2025-01-01",
        ),
        (payments.SettingsChanged(seats=5, term="P1M"), "2025-06-01"),
        (payments.PaymentSucceeded(order_id="O-2", kind="manual", amount=PRICE), "2025-06-15"),
        (payments.SettingsChanged(seats=2), "2025-06-20"),
    ]
    messages = [story.message(data, utc(at)) for data, at in happened]
    for position in order:
        story.receive(messages[position])
    assert bounds(story, "O-2") == (END, utc("2026-02-01"))
    assert [seats_at(story, day) for day in ("2025-05-31", "2025-06-01", "2025-12-31")] == [3, 5, 5]
    assert seats_at(story, "2026-01-01") == 2
    latest = {
        (c.fact_id, c.seats is None): c.effective_at for c in story.all(billing.SettingsChanged)
    }
    assert sorted(at.date().isoformat() for at in latest.values()) == [
        "2025-06-01",
        "2026-01-01",
        "2026-01-01",
    ]
    assert [c.effective_at for c in story.licensing.history.seat_changes] == [
        utc("2025-06-01"),
        END,
    ]


def test_settings_and_a_payment_at_one_instant_count_in_this_order() -> None:
    """Q26: the payment buys what was settled with it."""
    story = Story(provider="isp-classic").subscribe()
    story.advance(utc("2025-06-01"))
    story.publish(payments.SettingsChanged(product_id="total-security"))
    story.pay("O-2", "manual")
    assert story.last(billing.PeriodScheduled).plan.product_id == "total-security"
    told = story.last(billing.SettingsChanged)
    assert told.effective_at == utc("2026-01-01")
