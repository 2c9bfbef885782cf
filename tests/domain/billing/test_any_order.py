"""The same facts of upstream in any order of arrival end in the same facts and the same timeline (12, Q2)."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts import payments
from contracts.base import Data
from contracts.envelope import Envelope
from contracts.values import PaymentKind
from services.billing.domain import facts
from tests.support.story import PRICE, Story, utc

START = utc("2025-01-01")
ORDERS = ("O-1", "O-2", "O-3")
VERDICTS = (facts.CaseOpened, facts.CaseApproved, facts.MoneyLost)


def paid(order_id: str) -> Data:
    """An order is paid, the first one initially."""
    kind: PaymentKind = "initial" if order_id == "O-1" else "manual"
    return payments.PaymentSucceeded(order_id=order_id, kind=kind, amount=PRICE)


def disputed(kind: type[payments.DisputeEvent], order_id: str) -> Data:
    """The bank says something about an order."""
    return kind(order_id=order_id, dispute_id=f"D-{order_id}", amount=PRICE)


def told(story: Story) -> list[Envelope]:
    """An order and three payments, days apart."""
    order = payments.OrderPlaced(**story.order_data(term="P1M"))
    steps = [(order, START), *((paid(o), START + n * DAY) for n, o in enumerate(ORDERS, 1))]
    return [story.message(data, at) for data, at in steps]


DAY = timedelta(days=1)
orders = st.sampled_from(ORDERS)
days = st.integers(5, 80)
#: What does not end anything counts in any order with the payments.
harmless = st.one_of(
    st.builds(lambda o: disputed(payments.DisputeOpened, o), orders),
    st.builds(lambda o: disputed(payments.DisputeWon, o), orders),
    st.just(payments.CancellationRequested(channel="provider")),
    st.just(payments.CancellationWithdrawn(channel="provider")),
)
#: What takes a period away is judged when it is heard, and its verdict stays.
ending = st.one_of(
    st.builds(lambda o: disputed(payments.DisputeLost, o), orders),
    st.builds(
        lambda o: payments.RefundSucceeded(order_id=o, amount=PRICE, full=True),
        orders,
    ),
)


def outcome(story: Story) -> tuple[Any, Any]:
    """The facts and the timeline; both services must have the same."""
    stages = [(*stage.identity, stage.ends_at) for stage in story.billing_stages]
    assert stages == [(*stage.identity, stage.ends_at) for stage in story.stages]
    return story.billing.facts, stages


def heard(provider: str, messages: list[Envelope], end: datetime) -> Story:
    """A story in which these messages arrive at one time, in this order; then time passes."""
    story = Story(provider=provider, now=START + 90 * DAY)
    for message in messages:
        story.receive(message)
    story.advance(end)
    return story


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(("isp-classic", "app-store-like")),
    st.lists(st.tuples(harmless, days), max_size=4),
    st.lists(st.tuples(ending, days), max_size=1),
    st.data(),
)
def test_upstreams_facts_commute(
    provider: str, first: list[Any], last: list[Any], data: st.DataObject
) -> None:
    story = Story(provider=provider, now=START)
    before = told(story) + [story.message(d, START + n * DAY) for d, n in first]
    after = [story.message(d, START + n * DAY) for d, n in last]
    end = START + 400 * DAY
    wanted = outcome(heard(provider, before + after, end))
    shuffled = data.draw(st.permutations(before))
    assert outcome(heard(provider, shuffled + after, end)) == wanted


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(("isp-classic", "app-store-like")),
    st.lists(st.tuples(st.one_of(harmless, ending), days), max_size=5),
    st.data(),
)
def test_whatever_is_heard_first_both_services_agree_and_no_fact_is_lost(
    provider: str, steps: list[Any], data: st.DataObject
) -> None:
    """A verdict is given by what is known then; the facts of upstream are the same in any order."""
    story = Story(provider=provider, now=START)
    messages = told(story) + [story.message(d, START + n * DAY) for d, n in steps]
    end = START + 400 * DAY
    one = heard(provider, messages, end)
    other = heard(provider, data.draw(st.permutations(messages)), end)
    outcome(one)
    outcome(other)
    assert heard_of(one) == heard_of(other)


def heard_of(story: Story) -> set[UUID]:
    """The facts that upstream told."""
    return {f.fact_id for f in story.billing.facts if not isinstance(f, VERDICTS)}


@pytest.mark.parametrize("provider", ["isp-classic", "app-store-like"])
@pytest.mark.parametrize("order_id", ORDERS)
@pytest.mark.parametrize("taken", ["refund", "chargeback"])
def test_taking_a_period_and_cancelling_commute(provider: str, order_id: str, taken: str) -> None:
    """11, in both orders of happening and of arrival."""
    ends = []
    for cancel_day, taken_day in ((10, 12), (12, 10)):
        for backwards in (False, True):
            story = Story(provider=provider, now=START)
            messages = told(story)
            lost = (
                payments.RefundSucceeded(order_id=order_id, amount=PRICE, full=True)
                if taken == "refund"
                else disputed(payments.DisputeLost, order_id)
            )
            cancel = payments.CancellationRequested(channel="provider")
            crossing = [
                story.message(cancel, START + cancel_day * DAY),
                story.message(lost, START + taken_day * DAY),
            ]
            if backwards:
                crossing.reverse()
            ended = heard(provider, messages + crossing, START + 400 * DAY)
            outcome(ended)
            ends.append(
                [(s.status, s.reason, s.start.replace(day=1)) for s in ended.billing_stages]
            )
    assert all(one == ends[0] for one in ends)
