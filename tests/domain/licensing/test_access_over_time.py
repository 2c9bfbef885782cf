"""What licensing says as time passes, each stage with its anchor (T8 to T15, 3b, 3e)."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from contracts import billing, licensing
from contracts.errors import Impossible
from contracts.outgoing import TimePassed
from contracts.values import Plan
from services.licensing.domain.decide import decide
from services.licensing.domain.license import STORED, License
from tests.support.story import Story, names, utc

END = utc("2026-01-01")
DAY = timedelta(days=1)


def said_by_licensing(story: Story) -> list[tuple[str, str]]:
    """The changes of access with their anchors, without the entitlements."""
    return [
        (data.TYPE.split(".")[1], f"{data.effective_at:%Y-%m-%d}")
        for data in story.all(licensing.LicensingEvent)
        if not isinstance(data, licensing.EntitlementEvent)
    ]


def entitlements(story: Story) -> list[tuple[str, str, str]]:
    """The entitlement events: name, state, anchor."""
    return [
        (data.TYPE.split("-")[1].removesuffix(".v1"), data.state, f"{data.effective_at:%Y-%m-%d}")
        for data in story.all(licensing.EntitlementEvent)
    ]


def test_a_renewed_subscription() -> None:
    """T6, T8."""
    story = Story().subscribe()
    story.advance(utc("2025-12-20"))
    story.renew("O-2")
    assert story.entitlement.valid_until == utc("2027-01-01")
    story.advance(END)
    assert said_by_licensing(story) == [
        ("period-started", "2025-01-01"),
        ("period-ended", "2026-01-01"),
        ("period-started", "2026-01-01"),
        ("subscription-renewed", "2026-01-01"),
    ]
    assert entitlements(story) == [
        ("granted", "active", "2025-01-01"), ("extended", "active", "2025-12-20"),
    ]  # fmt: skip


def test_a_lapsed_subscription_passes_every_stage() -> None:
    """T10, T13, T15."""
    story = Story().subscribe()
    story.advance(utc("2027-01-01"))
    assert said_by_licensing(story)[1:] == [
        ("period-ended", "2026-01-01"),
        ("grace-started", "2026-01-01"),
        ("grace-ended", "2026-01-08"),
        ("hold-started", "2026-01-08"),
        ("expired", "2026-02-07"),
    ]
    assert entitlements(story) == [
        ("granted", "active", "2025-01-01"),
        ("extended", "grace", "2026-01-01"),
        ("suspended", "suspended", "2026-01-08"),
        ("ended", "expired", "2026-02-07"),
    ]
    assert story.last(licensing.Expired).reason == "payment_failed"
    assert story.licensing.due_at is None


def test_after_a_long_stop_every_skipped_stage_is_said_in_order_with_its_anchor() -> None:
    """Idea 4: late timers change no answer and skip nothing."""
    on_time, late = (
        Story(provider="isp-classic").subscribe(),
        Story(provider="isp-classic").subscribe(),
    )
    on_time.advance(utc("2027-01-01"))
    late.now = utc("2027-01-01")
    late.advance(timedelta(0))
    assert said_by_licensing(late) == said_by_licensing(on_time)
    assert late.last(licensing.Expired).derived_at == late.now
    assert late.stages == on_time.stages


def _sudden(charge: str) -> Story:
    """A subscription without grace and hold, never renewed."""
    changes = {"grace": timedelta(0), "hold": timedelta(0), "charge": charge}
    packs = {
        name: tuple(pack.model_copy(update=changes) for pack in packs)
        for name, packs in Story().policies.packs.items()
    }
    return Story(policies=type(Story().policies)(packs)).subscribe()


def test_without_grace_and_hold_the_end_is_the_end() -> None:
    """S-14: active to expired at one instant, no phantom grace."""
    story = _sudden("by_provider")
    story.advance(END)
    assert said_by_licensing(story)[1:] == [
        ("period-ended", "2026-01-01"), ("expired", "2026-01-01"),
    ]  # fmt: skip


def test_without_grace_an_unanswered_charge_is_waited_for_a_day() -> None:
    """Q7: access is kept, then the end counts as of the end."""
    story = _sudden("by_us")
    story.advance(END + timedelta(hours=24) - timedelta.resolution)
    assert said_by_licensing(story)[1:] == []
    story.advance(END + timedelta(hours=24))
    assert said_by_licensing(story)[1:] == [
        ("period-ended", "2026-01-01"), ("expired", "2026-01-01"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("paid", "starts", "recovered"),
    [
        ("2026-01-01", "2026-01-01", False),
        ("2026-01-07T23:59:59", "2026-01-01", True),
        ("2026-01-08", "2026-01-08", True),
        ("2026-02-06T23:59:59", "2026-02-06T23:59:59", True),
        ("2026-02-07T00:00:01", "2026-02-07T00:00:01", False),
    ],
    ids=["at the end", "end of grace", "hold", "end of hold", "expired"],
)
def test_paying_after_the_end(paid: str, starts: str, recovered: bool) -> None:
    """S-14b, T12, T14, T27: in grace from the old end, in hold and later from now."""
    story = Story().subscribe()
    story.advance(utc(paid))
    story.pay("O-2", "manual")
    assert story.last(billing.PeriodScheduled).start == utc(starts)
    assert bool(story.all(licensing.Recovered)) is recovered
    assert story.entitlement.state == "active"
    if recovered:
        assert story.last(licensing.Recovered).effective_at == utc(paid)


def test_grace_changes_nothing_for_the_device_and_hold_everything() -> None:
    """S-13, S-07."""
    story = Story().subscribe()
    active = story.entitlement.capabilities
    story.advance(END)
    assert story.entitlement.capabilities == active
    story.advance(END + 7 * DAY)
    assert not any(story.entitlement.capabilities.model_dump().values())


@pytest.mark.parametrize(
    ("product", "state"), [("update", "limited"), ("update-and-protection", "expired")]
)
def test_what_is_left_after_the_end_depends_on_the_product(product: Any, state: str) -> None:
    """S-07."""
    story = Story(provider="isp-classic")
    story.order(plan=Plan(product_id="p", product_type=product, term="P1Y", seats=1))
    story.pay()
    story.advance(utc("2027-01-01"))
    assert story.entitlement.state == state
    assert story.entitlement.capabilities.protection is (product == "update")


def test_the_schedule_ahead_lets_a_cache_answer_alone() -> None:
    story = Story().subscribe()
    first = story.entitlement
    schedule = [(stage.state, stage.at) for stage in first.schedule]
    assert schedule == [
        ("grace", END), ("suspended", END + 7 * DAY), ("expired", END + 37 * DAY),
    ]  # fmt: skip
    for state, at in schedule:
        access = story.access(at)
        assert access
        assert access.state == state


def test_renewal_is_pending_from_the_charge_to_its_answer() -> None:
    """Q7: and everyone's cache is told, also when only the charge changed."""
    story = Story().subscribe()
    story.advance(utc("2025-12-18"))
    assert story.entitlement.renewal_pending
    story.cancel()
    assert not story.entitlement.renewal_pending
    story.uncancel()
    assert story.entitlement.renewal_pending
    story.advance(DAY)
    story.fail("O-2", story.charge_id, final=False)
    assert story.entitlement.renewal_pending
    story.fail("O-2", story.charge_id)
    assert not story.entitlement.renewal_pending


def test_a_timer_that_fires_early_says_nothing() -> None:
    story = Story().subscribe()
    before = len(story.said)
    tick = TimePassed(story.id)
    after, said = decide(story.licensing, tick, story.policies, story.now + DAY)
    assert (after, said, len(story.said)) == (story.licensing, (), before)


def test_a_period_without_its_subscription_is_impossible() -> None:
    """Billing says the order first; anything else is no history of ours."""
    story = Story().subscribe()
    scheduled = story.message(story.last(billing.PeriodScheduled))
    with pytest.raises(Impossible):
        decide(License(subscription_id=story.id), scheduled, story.policies, story.now)


def test_the_same_event_twice_says_nothing() -> None:
    story = Story().subscribe()
    for kind in (billing.SubscriptionCreated, billing.PeriodScheduled, billing.PaymentSucceeded):
        message = story.message(story.last(kind))
        assert decide(story.licensing, message, story.policies, story.now) == (story.licensing, ())


def test_the_state_survives_being_stored() -> None:
    story = Story().subscribe()
    story.advance(10 * DAY)
    story.request_refund()
    story.approve()
    story.refund_fails()
    loaded = STORED.validate_json(STORED.dump_json(story.licensing, exclude_none=True))
    assert loaded == replace(story.licensing, due_at=None)
    assert names([story.entitlement]) == ["licensing.entitlement"]
