"""Faults that come together: several dead letters of a key, two redrives at once, late corrections."""

from dataclasses import replace
from typing import Any

import pytest

from chassis.projections import Sink
from chassis.records import Record
from contracts.billing import CustomerContact
from contracts.topics import BILLING_COMMANDS, CUSTOMERS_CONTACTS, NOTIFICATIONS_EVENTS
from tests.chassis import tally
from tests.chassis.conftest import Desk


async def test_two_redrives_of_one_dead_letter_in_one_batch_have_one_effect(desk: Desk) -> None:
    dead = desk.topics.of(tally.command(desk.id, tally.IMPOSSIBLE))
    await desk.processor.consume([dead])
    better = tally.command(desk.id, "better", id=str(desk.id))
    await desk.processor.consume([tally.redriven(dead, better), tally.redriven(dead, better)])
    assert await desk.notes() == ["better"]
    await desk.processor.consume([tally.redriven(dead, discard=True)])
    assert len(await desk.dead_letters()) == 1


@pytest.mark.parametrize("together", [True, False])
async def test_a_message_sent_again_under_the_right_key_is_taken(
    desk: Desk, together: bool
) -> None:
    right = desk.topics.of(tally.command(desk.id, "one"))
    wrong = replace(right, key=b"elsewhere", offset=100)
    again = replace(right, offset=101)
    for batch in [[wrong, again, right]] if together else [[wrong], [again], [right]]:
        await desk.processor.consume(batch)
    assert [letter["dlq-code"] for letter in await desk.dead_letters()] == ["key_mismatch"]
    assert await desk.notes() == ["one"]


async def test_the_same_impossible_message_is_one_dead_letter(desk: Desk) -> None:
    message = tally.command(desk.id, tally.IMPOSSIBLE)
    for _ in range(3):
        await desk.processor.consume([desk.topics.of(message)])
    assert len(await desk.dead_letters()) == 1


@pytest.mark.parametrize("order", ["12", "21"])
@pytest.mark.parametrize("discard", [True, False])
async def test_two_dead_letters_of_one_key_are_settled_in_any_order(
    desk: Desk, order: str, discard: bool
) -> None:
    key = str(desk.id).encode()
    garbage = [
        desk.topics.record(NOTIFICATIONS_EVENTS.name, key, b'{"sequence": %d}' % n) for n in (2, 4)
    ]
    good = [desk.topics.of(tally.outcome(desk.id, str(n), n)) for n in (1, 3, 5)]
    await desk.processor.consume([good[0], garbage[0], good[1], garbage[1], good[2]])
    assert await desk.notes() == ["1"]
    assert await desk.waiting()
    for number in order:
        index = int(number) - 1
        repaired = tally.outcome(desk.id, "repaired", 2 + 2 * index)
        back = tally.redriven(garbage[index], None if discard else repaired, discard=discard)
        await desk.processor.consume([back])
    between = [] if discard else ["repaired"]
    assert await desk.notes() == ["1", *between, "3", *between, "5"]
    assert not await desk.waiting()
    assert not await desk.pool.fetchval("select count(*) from held")


async def test_garbage_on_our_own_topic_does_not_hold_up_what_was_not_lost(desk: Desk) -> None:
    key = str(desk.id).encode()
    stray = desk.topics.record(NOTIFICATIONS_EVENTS.name, key, b"garbage")
    await desk.processor.consume([desk.topics.of(tally.outcome(desk.id, "1", 1)), stray])
    assert await desk.waiting()
    await desk.processor.consume([desk.topics.of(tally.outcome(desk.id, "2", 2))])
    assert await desk.notes() == ["1", "2"]
    assert not await desk.waiting()


async def test_held_headers_are_in_the_dead_letter(desk: Desk) -> None:
    late = desk.topics.of(tally.outcome(desk.id, tally.IMPOSSIBLE, 2))
    late = replace(late, headers=(("traceparent", b"00-1-2-3"), ("empty", None)))
    await desk.processor.consume([late])
    await desk.processor.consume([desk.topics.of(tally.outcome(desk.id, "1", 1))])
    (letter,) = await desk.dead_letters()
    assert (letter["origin-traceparent"], letter["origin-empty"]) == ("00-1-2-3", "")
    assert letter["dlq-offset"] == "0"


async def test_a_redriven_message_of_a_newer_major_stops_nothing(desk: Desk) -> None:
    key = str(desk.id).encode()
    dead = desk.topics.record(NOTIFICATIONS_EVENTS.name, key, b"garbage")
    await desk.processor.consume([dead])
    newer = (
        tally.outcome(desk.id, "?", 1).to_json().replace(b"mail-requested.v1", b"mail-requested.v2")
    )
    await desk.processor.consume([replace(dead, value=newer, redriven=True)])
    assert await desk.notes() == []
    assert await desk.waiting()


class _Contacts:
    """A projection that remembers what it was given."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.seen: list[str | None] = []

    async def __call__(self, connection: Any, records: Any) -> None:
        """Remember."""
        for record in records:
            contact = record.envelope.data if record.envelope else None
            self.seen.append(contact and contact.name)


def _contact(desk: Desk, name: str, sequence: int) -> Record:
    data = CustomerContact(customer_id=desk.id, name=name, email="a@example.com", locale="en")
    message = tally.envelope(desk.id, data, source="/tenure/billing", sequence=sequence)
    key = str(desk.id).encode()
    return desk.topics.record(CUSTOMERS_CONTACTS.name, key, message.to_json())


async def test_a_projection_gets_what_can_be_read_and_the_rest_is_a_dead_letter(
    desk: Desk,
) -> None:
    contacts = _Contacts()
    sink = Sink({CUSTOMERS_CONTACTS.name: contacts}, desk.pool, desk.processor)
    key = str(desk.id).encode()
    garbage = desk.topics.record(CUSTOMERS_CONTACTS.name, key, b"garbage")
    erased = desk.topics.record(CUSTOMERS_CONTACTS.name, key, None)
    command = desk.topics.of(tally.command(desk.id, "one"))
    for _ in range(2):
        await sink.consume([_contact(desk, "Ann", 1), garbage, command, erased])
    assert contacts.seen == ["Ann", None] * 2
    assert [letter["dlq-code"] for letter in await desk.dead_letters()] == ["not_json"]
    assert await desk.notes() == ["one"]
    repaired = replace(garbage, value=_contact(desk, "Bea", 3).value, redriven=True)
    await sink.consume([repaired])
    assert contacts.seen[-1] == "Bea"
    assert not await desk.pool.fetchval("select count(*) from inbox where status = 'parked'")
    assert not await desk.pool.fetchval(
        "select count(*) from outbox where topic = $1", BILLING_COMMANDS.name
    )


async def test_a_dead_contact_can_be_discarded(desk: Desk) -> None:
    contacts = _Contacts()
    sink = Sink({CUSTOMERS_CONTACTS.name: contacts}, desk.pool, desk.processor)
    garbage = desk.topics.record(CUSTOMERS_CONTACTS.name, b"x", b"garbage")
    await sink.consume([garbage])
    await sink.consume([tally.redriven(garbage, discard=True)])
    assert contacts.seen == []
    assert await desk.statuses() == ["done"]
    assert len(await desk.dead_letters()) == 1
