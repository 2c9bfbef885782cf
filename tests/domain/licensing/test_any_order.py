"""12: any order of arrival of the same upstream facts ends in the same facts and the same timeline, in both services."""

from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts import payments
from contracts.base import Data
from contracts.envelope import Envelope
from ledger.history import History
from services.billing.domain import facts
from tests.support.story import PRICE, Story, utc

START = utc("2024-01-31T12:00")
#: The provider charges and cancels by itself, so billing has no verdict of its own to stamp.
PROVIDER = "isp-classic"

days = st.integers(0, 900)
happenings = st.lists(
    st.tuples(
        st.sampled_from(
            (
                "manual",
                "manual",
                "failed",
                "canceled",
                "withdrawn",
                "new order",
                "paused",
                "paused",
                "resumed",
                "more seats",
                "fewer seats",
                "longer term",
            )
        ),
        days,
    ),
    max_size=7,
)


def told(story: Story, term: str, happened: list[tuple[str, int]]) -> list[Envelope]:
    """The upstream messages: an order, its payment, and what happened on which day."""
    found = [
        story.message(payments.OrderPlaced(**story.order_data(term=term)), START),
        story.message(paid("O-1", "initial"), START + timedelta(hours=1)),
    ]
    for number, (name, day) in enumerate(happened, start=2):
        at = START + timedelta(days=day, minutes=number)
        order_id = f"O-{number}"
        if name == "new order":
            order = payments.OrderPlaced(**story.order_data(order_id, term))
            found.append(story.message(order, at))
            found.append(story.message(paid(order_id, "initial"), at + timedelta(hours=1)))
        else:
            data = DATA[name](order_id)
            if name == "paused":
                data = payments.PauseRequested(resumes_at=at + timedelta(days=45))
            found.append(story.message(data, at))
    return found


def paid(order_id: str, kind: Any) -> Data:
    """A payment of the usual price."""
    return payments.PaymentSucceeded(order_id=order_id, kind=kind, amount=PRICE)


DATA: dict[str, Any] = {
    "manual": lambda order_id: paid(order_id, "manual"),
    "failed": lambda order_id: payments.PaymentFailed(
        order_id=order_id, kind="renewal", amount=PRICE, attempt=1, hard_decline=True, reason="no"
    ),
    "canceled": lambda order_id: payments.CancellationRequested(channel="provider"),
    "withdrawn": lambda order_id: payments.CancellationWithdrawn(channel="provider"),
    "paused": lambda order_id: payments.PauseRequested(),
    "resumed": lambda order_id: payments.ResumeRequested(),
    "more seats": lambda order_id: payments.SettingsChanged(seats=9),
    "fewer seats": lambda order_id: payments.SettingsChanged(seats=int(order_id[2:])),
    "longer term": lambda order_id: payments.SettingsChanged(term="P5M", product_id="other"),
}


def lived(term: str, happened: list[tuple[str, int]], seed: int | None, hurried: bool) -> Story:
    """The story when the messages arrive in time, or shuffled, with time passing between them or not."""
    story = Story(provider=PROVIDER, now=START)
    messages = told(story, term, happened)
    messages.sort(key=lambda message: message.time)
    if seed is None:
        for message in messages:
            story.advance(max(message.time, story.now))
            story.receive(message)
    else:
        Random(seed).shuffle(messages)
        story.now = utc("2025-01-01") if not hurried else utc("2027-01-01")
        for message in messages:
            story.advance(max(message.time, story.now) + timedelta(days=0 if hurried else 20))
            story.receive(message)
    story.advance(utc("2032-01-01"))
    return story


def remembered(story: Story) -> list[facts.AnyFact]:
    """The facts, without when they were received."""
    return [
        replace(fact, received_at=START) if isinstance(fact, facts.Paid) else fact
        for fact in story.billing.facts
    ]


def effective(history: History) -> History:
    """What a history says: what was told and counts for nothing is left out, as is the arithmetic."""
    periods = tuple(
        replace(p, anchor=p.start, step=1, basis="given", shift=timedelta(0))
        for p in history.periods
    )
    pauses = tuple(span.pause for span in history.pause_spans())
    return replace(
        history, periods=periods, wills=history.effective_wills, pauses=pauses, seat_changes=()
    )


def seats(history: History) -> list[int]:
    """How many seats the running period has, week by week."""
    weeks = (START + timedelta(weeks=number, minutes=30) for number in range(250))
    return [
        history.seats_at(period, week)
        for week in weeks
        for period in history.periods
        if period.covers(week)
    ]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(("P1Y", "P1M", "P3M")), happenings, st.integers(0, 10**6), st.booleans())
def test_any_order_of_arrival_ends_in_the_same_facts_and_timeline(
    term: str, happened: list[tuple[str, int]], seed: int, hurried: bool
) -> None:
    in_time = lived(term, happened, None, hurried)
    shuffled = lived(term, happened, seed, hurried)
    assert remembered(shuffled) == remembered(in_time)
    assert shuffled.known.history == in_time.known.history
    assert shuffled.billing_stages == in_time.billing_stages
    assert effective(shuffled.licensing.history) == effective(in_time.licensing.history)
    for story in (shuffled, in_time):
        assert seats(story.licensing.history) == seats(in_time.known.history)
    for stages in (shuffled.stages, in_time.stages):
        assert [(*s.identity, s.ends_at) for s in stages] == [
            (*s.identity, s.ends_at) for s in in_time.billing_stages
        ]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(("P1Y", "P1M")), happenings, st.integers(0, 10**6))
def test_every_message_told_twice_ends_as_told_once(
    term: str, happened: list[tuple[str, int]], seed: int
) -> None:
    story = Story(provider=PROVIDER, now=utc("2027-01-01"))
    messages = told(story, term, happened)
    Random(seed).shuffle(messages)
    heard: list[Envelope] = []
    for message in messages:
        story.receive(message)
        heard.append(message)
        before = story.billing
        assert story.receive(Random(seed).choice(heard)) == []
        assert story.billing == before
