"""Compacted topics become tables; what is no message of theirs is a dead letter, not a tombstone."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from chassis.postgres import Connection
from chassis.projections import Sink
from chassis.records import Record
from contracts.billing import CustomerContact
from contracts.topics import CUSTOMERS_CONTACTS
from tests.chassis import tally
from tests.chassis.conftest import Desk

CUSTOMER = UUID("5f0c9c9e-0000-4000-8000-000000000002")


class Contacts:
    """A projection that remembers what it was given."""

    def __init__(self, desk: Desk) -> None:
        """Nothing came yet."""
        self.came: list[tuple[bytes | None, int | None]] = []
        self.sink = Sink({CUSTOMERS_CONTACTS.name: self.project}, desk.pool, desk.processor)

    async def project(self, connection: Connection, records: Sequence[Record]) -> None:
        """Remember keys and sequences; a tombstone has none."""
        for record in records:
            sequence = record.envelope.sequence if record.envelope else None
            self.came.append((record.key, sequence))


def contact(sequence: int) -> bytes:
    data = CustomerContact(customer_id=CUSTOMER, name="Ada", email="ada@example.org", locale="en")
    message = tally.envelope(CUSTOMER, data, source="/tenure/billing", sequence=sequence)
    return message.to_json()


@pytest.fixture
def contacts(desk: Desk) -> Contacts:
    """A projection of the contacts."""
    return Contacts(desk)


def record(desk: Desk, value: bytes | None, key: bytes | None = None) -> Record:
    return desk.topics.record(CUSTOMERS_CONTACTS.name, key or str(CUSTOMER).encode(), value)


async def test_messages_and_tombstones_reach_the_table_beside_the_aggregate(
    desk: Desk, contacts: Contacts
) -> None:
    command = desk.topics.of(tally.command(desk.id, "one"))
    await contacts.sink.consume([record(desk, contact(3)), command, record(desk, None)])
    key = str(CUSTOMER).encode()
    assert contacts.came == [(key, 3), (key, None)]
    assert await desk.notes() == ["one"]
    assert await desk.statuses() == ["done"]


@pytest.mark.parametrize("value", [b"", b"{", b"null"])
async def test_what_cannot_be_read_is_a_dead_letter(
    desk: Desk, contacts: Contacts, value: bytes
) -> None:
    broken = record(desk, value)
    for _ in range(2):
        await contacts.sink.consume([broken, record(desk, contact(1))])
    assert [sequence for _, sequence in contacts.came] == [1, 1]
    assert [letter["dlq-topic"] for letter in await desk.dead_letters()] == ["customers.contacts"]


async def test_a_message_under_another_key_is_a_dead_letter(desk: Desk, contacts: Contacts) -> None:
    await contacts.sink.consume([record(desk, contact(1), str(uuid4()).encode())])
    assert contacts.came == []
    assert [letter["dlq-code"] for letter in await desk.dead_letters()] == ["key_mismatch"]


async def test_a_dead_letter_can_be_sent_back_or_given_up(desk: Desk, contacts: Contacts) -> None:
    first, second = record(desk, b"{"), record(desk, b"{")
    await contacts.sink.consume([first, second])
    mended = replace(tally.redriven(first), value=contact(1))
    await contacts.sink.consume([mended, tally.redriven(second, discard=True)])
    assert [sequence for _, sequence in contacts.came] == [1]
    assert await desk.statuses() == ["done", "done"]
    assert len(await desk.dead_letters()) == 2
