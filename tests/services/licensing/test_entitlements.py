"""From billing's events to entitlements: what a cache can rely on, whenever and however they arrive."""

from datetime import timedelta

import pytest

from contracts import licensing
from contracts.licensing import Capabilities
from contracts.values import ProductType
from tests.services.licensing.billing_says import YEAR, Billing
from tests.support.desk import Desk

DAY = timedelta(days=1)
ALL = Capabilities(database_updates=True, cloud_reputation=True, protection=True, scan=True)
PROTECTED = Capabilities(database_updates=False, cloud_reputation=False, protection=True, scan=True)
NONE = Capabilities(database_updates=False, cloud_reputation=False, protection=False, scan=False)


def said(desk: Desk, billing: Billing) -> list[str]:
    """The short names of what licensing announced, in order."""
    return [
        m.type.split(".")[1]
        for m in desk.recording.messages(billing.id)
        if isinstance(m.data, licensing.LicensingEvent)
    ]


@pytest.mark.parametrize(
    ("product_type", "after", "ended"),
    [("update-and-protection", NONE, "expired"), ("update", PROTECTED, "limited")],
)
async def test_the_entitlement_carries_its_schedule(
    desk: Desk, product_type: ProductType, after: Capabilities, ended: str
) -> None:
    billing = Billing(desk, await desk.now(), product_type=product_type)
    await billing.created().scheduled().send()
    entitlement = desk.recording.told(billing.id, licensing.Entitlement)[-1]
    end = billing.start + YEAR
    assert (entitlement.state, entitlement.capabilities) == ("active", ALL)
    assert entitlement.valid_until == entitlement.paid_through == end
    assert [(stage.at, stage.state, stage.capabilities) for stage in entitlement.schedule] == [
        (end, "grace", ALL),
        (end + 7 * DAY, "suspended", after),
        (end + 37 * DAY, ended, after),
    ]
    assert entitlement.source_sequence == 2
    assert (entitlement.product_type, entitlement.seats) == (product_type, 3)


async def test_nothing_is_entitled_before_a_payment(desk: Desk) -> None:
    billing = Billing(desk, await desk.now())
    await billing.created().send()
    assert desk.recording.told(billing.id, licensing.Entitlement) == []
    assert said(desk, billing) == []


async def test_a_gap_is_held_until_it_is_filled(desk: Desk) -> None:
    now = await desk.now()
    billing = Billing(desk, now - DAY)
    billing.created().scheduled().scheduled(2, now)
    await billing.send(3, 2)
    assert said(desk, billing) == []
    await billing.send(1)
    assert said(desk, billing) == [
        "period-started",
        "entitlement-granted",
        "entitlement-extended",
    ]
    entitlement = desk.recording.told(billing.id, licensing.Entitlement)[-1]
    assert entitlement.valid_until == billing.start + 2 * YEAR
    assert entitlement.source_sequence == 3


async def test_repetitions_say_nothing_more(desk: Desk) -> None:
    billing = Billing(desk, await desk.now())
    billing.created().scheduled()
    await billing.send(1, 2, 1, 2, 2)
    before = len(desk.recording.messages(billing.id))
    await billing.send()
    assert len(desk.recording.messages(billing.id)) == before
    assert said(desk, billing) == ["period-started", "entitlement-granted"]


async def test_stages_long_past_are_told_in_order_with_their_anchors(desk: Desk) -> None:
    start = await desk.now() - YEAR - 60 * DAY
    billing = Billing(desk, start)
    await billing.created().scheduled().send()
    end = start + YEAR
    told = [
        (m.type.split(".")[1], m.data.effective_at)
        for m in desk.recording.messages(billing.id)
        if isinstance(m.data, licensing.LicensingEvent)
        and not isinstance(m.data, licensing.EntitlementEvent)
    ]
    assert told == [
        ("period-started", start),
        ("period-ended", end),
        ("grace-started", end),
        ("grace-ended", end + 7 * DAY),
        ("hold-started", end + 7 * DAY),
        ("expired", end + 37 * DAY),
    ]
    sequences = [
        m.sequence
        for m in desk.recording.messages(billing.id)
        if isinstance(m.data, licensing.LicensingEvent)
    ]
    assert sequences == list(range(1, len(sequences) + 1))
    assert desk.recording.told(billing.id, licensing.Entitlement)[-1].state == "expired"


async def test_a_revoked_period_ends_at_once_without_grace(desk: Desk) -> None:
    now = await desk.now()
    billing = Billing(desk, now - 30 * DAY)
    await billing.created().scheduled().revoked(now).send()
    (expired,) = desk.recording.told(billing.id, licensing.Expired)
    entitlement = desk.recording.told(billing.id, licensing.Entitlement)[-1]
    assert (expired.effective_at, expired.reason) == (now, "refunded")
    assert (entitlement.state, entitlement.capabilities) == ("revoked", NONE)
    assert entitlement.schedule == ()
    assert "grace-started" not in said(desk, billing)


async def test_a_payment_told_late_corrects_what_was_said(desk: Desk) -> None:
    now = await desk.now()
    billing = Billing(desk, now - YEAR - DAY)
    await billing.created().scheduled().send()
    assert said(desk, billing)[-2:] == ["grace-started", "entitlement-extended"]
    paid_at = billing.start + YEAR - DAY
    await billing.scheduled(2, paid_at).send(3)
    (retracted,) = desk.recording.told(billing.id, licensing.GraceRetracted)
    started = next(
        m for m in desk.recording.messages(billing.id) if m.type == licensing.GraceStarted.TYPE
    )
    assert [str(id) for id in retracted.corrects or ()] == [started.id]
    assert desk.recording.told(billing.id, licensing.Entitlement)[-1].state == "active"
