"""Billing's own words about pauses, disputes, settings and charges: both services give the same access."""

from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from contracts import billing, commands, licensing, payments
from contracts.envelope import Envelope
from contracts.outgoing import Outgoing, TimePassed
from ledger.access import Access, access_at
from services.licensing.domain import decide as licensing_decide
from services.licensing.domain.license import License
from tests.domain.licensing.tellings import every_untruth_is_corrected
from tests.support.story import PRICE, Story, utc

START = utc("2025-01-01")
DAY = timedelta(days=1)
decide = licensing_decide.decide

happenings = st.lists(
    st.tuples(
        st.sampled_from(
            ("manual", "pause", "resume", "opened", "won", "lost", "canceled", "withdrawn", "seats")
        ),
        st.integers(1, 700),
        st.integers(1, 80),
    ),
    max_size=7,
)


def happened(name: str, day: int, number: int) -> Any:
    """What upstream says: `number` is a length in days, or a number of seats."""
    dispute = {"order_id": "O-1", "dispute_id": "D-1", "amount": PRICE}
    match name:
        case "manual":
            return payments.PaymentSucceeded(order_id=f"M-{day}", kind="manual", amount=PRICE)
        case "pause":
            return payments.PauseRequested(resumes_at=START + (day + number) * DAY)
        case "resume":
            return payments.ResumeRequested()
        case "opened":
            return payments.DisputeOpened.model_validate(dispute)
        case "won":
            return payments.DisputeWon.model_validate(dispute)
        case "lost":
            return payments.DisputeLost.model_validate(dispute)
        case "canceled":
            return payments.CancellationRequested(channel="provider")
        case "withdrawn":
            return payments.CancellationWithdrawn(channel="provider")
    return payments.SettingsChanged(seats=number)


def watched(
    license: License, message: Envelope | TimePassed, policies: Any, now: Any
) -> tuple[License, tuple[Outgoing, ...]]:
    """The decision, with every untruth corrected."""
    after, said = decide(license, message, policies, now)
    every_untruth_is_corrected(license, after, said, now)
    return after, said


def answer(access: Access | None) -> Access | None:
    """The answer without the change of settings, which billing tells only where it changes a number."""
    causes = tuple(c for c in access.causes if c.kind != "settings") if access else ()
    return replace(access, causes=causes) if access else None


def lived(provider: str, steps: list[tuple[str, int, int]], seed: int | None) -> Story:
    """The story told in time, or mixed and late; then time passes."""
    story = Story(provider=provider, now=START).subscribe()
    messages = [
        story.message(happened(name, day, number), START + timedelta(days=day, minutes=position))
        for position, (name, day, number) in enumerate(steps)
    ]
    messages.sort(key=lambda message: message.time)
    if seed is not None:
        Random(seed).shuffle(messages)
    for message in messages:
        story.advance(max(story.now, message.time))
        story.receive(message)
    story.advance(utc("2029-01-01"))
    return story


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(("isp-classic", "app-store-like", "online-store")),
    happenings,
    st.one_of(st.none(), st.integers(0, 10**6)),
)
@example(provider="isp-classic", steps=[("won", 2, 1), ("lost", 1, 1), ("lost", 1, 1)], seed=1)
def test_both_services_give_the_same_access(
    provider: str, steps: list[tuple[str, int, int]], seed: int | None
) -> None:
    with patch.object(licensing_decide, "decide", watched):
        story = lived(provider, steps, seed)
    assert [(*s.identity, s.ends_at, s.since) for s in story.stages] == [
        (*s.identity, s.ends_at, s.since) for s in story.billing_stages
    ]
    bounds = {stage.start for stage in story.stages} | {START + day * DAY for _, day, _ in steps}
    for at in bounds:
        assert answer(story.access(at)) == answer(
            access_at(story.known.history, story.known.policy, at)
        )
    access = story.access(story.now)
    assert access
    assert (access.state, access.seats) == (story.entitlement.state, story.entitlement.seats)


def test_a_year_with_a_pause_a_dispute_and_more_seats() -> None:
    """One life in billing's own words."""
    story = Story(provider="app-store-like", now=START).subscribe()
    story.advance(START + 10 * DAY)
    story.publish(happened("seats", 10, 7))
    assert story.entitlement.seats == 7
    story.publish(happened("opened", 10, 1))
    assert story.entitlement.state == "suspended"
    story.advance(START + 30 * DAY)
    story.publish(happened("won", 30, 1))
    assert story.entitlement.state == "active"
    assert story.last(licensing.Reinstated).effective_at == story.now
    story.publish(payments.PauseRequested(resumes_at=utc("2026-02-01")))
    assert story.last(billing.PauseScheduled).starts_at == utc("2026-01-01")
    story.advance(utc("2026-01-15"))
    assert story.entitlement.state == "suspended"
    assert story.entitlement.schedule[0].at == utc("2026-02-01")
    story.advance(utc("2026-02-02"))
    assert story.entitlement.state == "grace"
    assert len(story.all(licensing.Paused)) == len(story.all(licensing.Resumed)) == 1


@pytest.mark.parametrize("early", [None, 9])
def test_a_frozen_term_ends_as_much_later_as_it_was_paused(early: int | None) -> None:
    """Q17: by billing's bounds."""
    story = Story(provider="isp-classic", now=START).subscribe()
    story.advance(START + 30 * DAY)
    story.publish(payments.PauseRequested(resumes_at=story.now + 40 * DAY))
    if early:
        story.advance(story.now + early * DAY)
        story.publish(payments.ResumeRequested())
    story.advance(utc("2025-12-01"))
    access = story.access(story.now)
    assert access
    assert (access.state, access.valid_until) == ("active", utc("2026-01-01") + (early or 40) * DAY)
    assert story.entitlement.valid_until == access.valid_until


def test_a_renewal_charge_is_pending_in_both_services() -> None:
    """Q7."""
    story = Story().subscribe()
    story.advance(utc("2025-12-20"))
    assert story.known.history.asked == story.licensing.history.asked
    assert story.entitlement.renewal_pending
    story.publish(commands.Cancel(channel="account"))
    assert story.known.history.asked == story.licensing.history.asked
    assert not story.entitlement.renewal_pending
