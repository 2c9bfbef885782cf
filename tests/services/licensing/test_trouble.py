"""Trouble on billing.events: it parks its own key alone, and an operator can cure it."""

import json
from datetime import timedelta
from uuid import uuid4

from contracts import licensing
from contracts.topics import BILLING_EVENTS
from ops.dead_letters import DeadLetter, waiting
from ops.dlq.redriving import Decision, settle
from tests.services.licensing.billing_says import Billing
from tests.support.desk import Desk

DAY = timedelta(days=1)


async def parked(desk: Desk, billing: Billing) -> list[DeadLetter]:
    """The dead letters of a subscription that wait for an operator."""
    letters = await waiting(desk.stack)
    return [each for each in letters.values() if each.subject == str(billing.id)]


async def test_a_dead_letter_parks_its_key_and_no_other(desk: Desk) -> None:
    now = await desk.now()
    broken, well = Billing(desk, now - DAY), Billing(desk, now - DAY)
    broken.created().scheduled()
    spoilt = json.loads(broken.messages[0].to_json())
    del spoilt["data"]["plan"]
    key = str(broken.id).encode()
    await desk.send(BILLING_EVENTS, key, json.dumps(spoilt).encode())
    await broken.send(2)
    await well.created().scheduled().send()
    assert desk.recording.told(broken.id, licensing.Entitlement) == []
    assert desk.recording.told(well.id, licensing.Entitlement)[-1].state == "active"
    letters = await parked(desk, broken)
    assert {each.behind for each in letters} == {1}
    assert {(each.origin.service, each.code) for each in letters} == {
        ("licensing", "invalid_field"),
        ("notifications", "invalid_field"),
    }
    # What waited behind it follows in order as soon as it is corrected.
    corrected = Decision("redrive", "test", None, broken.messages[0].to_json())
    await settle(desk.stack, letters, corrected)
    await desk.settled()
    assert desk.recording.told(broken.id, licensing.Entitlement)[-1].state == "active"
    assert await parked(desk, broken) == []


async def test_an_impossible_message_can_be_given_up(desk: Desk) -> None:
    now = await desk.now()
    billing = Billing(desk, now - DAY)
    # A period of a subscription that was never created.
    billing.scheduled().created().scheduled(1)
    await billing.send()
    letters = await parked(desk, billing)
    assert [(each.origin.service, each.code) for each in letters] == [
        ("licensing", "subscription_unknown")
    ]
    assert desk.recording.told(billing.id, licensing.Entitlement) == []
    await settle(desk.stack, letters, Decision("discard", "test", "never created"))
    await desk.settled()
    assert desk.recording.told(billing.id, licensing.Entitlement)[-1].state == "active"


async def test_a_newer_kind_of_message_is_ignored_but_counts(desk: Desk) -> None:
    billing = Billing(desk, await desk.now())
    billing.created().scheduled()
    newer = json.loads(billing.messages[1].to_json())
    newer |= {"type": "billing.loyalty-earned.v1", "id": str(uuid4()), "data": {"points": 3}}
    key = str(billing.id).encode()
    await billing.send(1)
    await desk.send(BILLING_EVENTS, key, json.dumps(newer).encode())
    third = billing.message(billing.period(), 3)
    await desk.send(BILLING_EVENTS, key, third.to_json())
    await desk.settled()
    entitlement = desk.recording.told(billing.id, licensing.Entitlement)[-1]
    assert (entitlement.state, entitlement.source_sequence) == ("active", 3)
    assert await parked(desk, billing) == []
