"""The ledger, the contacts and the views that others read."""

from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from chassis.records import Record
from contracts import billing, licensing
from contracts.errors import Impossible
from contracts.values import subscription_id
from devstack.stack import EmbeddedStack
from services.notifications.store import contacts, key_of
from tests.domain.notifications.stories import (
    CREATED,
    CUSTOMER,
    PAID,
    REMINDER,
    SCHEDULED,
    SUBSCRIPTION,
    event,
    traced,
)
from tests.services.notifications.office import Office

# One stack, one loop, one worker of a parallel run.
pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("notifications"),
]
EXPIRED = event(licensing.Expired)


async def contact_of(office: Office) -> Any:
    return await office.pool.fetchrow("select * from contact where customer_id = $1", CUSTOMER)


async def test_the_highest_sequence_of_a_contact_wins(office: Office) -> None:
    await office.contact(sequence=3, email="new@x.example")
    await office.contact(sequence=2, email="old@x.example")
    assert (await contact_of(office))["email"] == "new@x.example"
    await office.contact(sequence=7, email="newest@x.example")
    assert (await contact_of(office))["email"] == "newest@x.example"


async def test_an_erased_contact_keeps_nothing_and_wins_over_what_is_older(office: Office) -> None:
    await office.contact(sequence=1, time_zone="Europe/Berlin", region="DE")
    await office.project(3, None)
    await office.contact(sequence=2)
    row = await contact_of(office)
    assert row["erased"]
    assert [row[name] for name in ("name", "email", "locale", "time_zone", "region")] == [None] * 5


async def test_a_tombstone_without_a_sequence_erases(office: Office) -> None:
    await office.contact(sequence=5)
    by_hand = Record("customers.contacts", 0, 9, 0, str(CUSTOMER).encode(), None)
    async with office.pool.acquire() as connection:
        await contacts(connection, [by_hand])
    row = await contact_of(office)
    assert (row["erased"], row["sequence"], row["email"]) == (True, 5, None)


async def test_a_contact_that_cannot_be_read_erases_nothing(office: Office) -> None:
    await office.contact(sequence=5)
    broken = Record("customers.contacts", 0, 9, 0, str(CUSTOMER).encode(), b"{")
    async with office.pool.acquire() as connection:
        await contacts(connection, [broken])
    assert (await contact_of(office))["email"] == "ada@x.example"


async def test_many_contacts_in_one_batch(office: Office) -> None:
    tombstone = Record(
        "customers.contacts", 0, 2, 0, str(CUSTOMER).encode(), None, (("ce_sequence", b"2"),)
    )
    await office.contact(sequence=1)
    async with office.pool.acquire() as connection:
        await contacts(connection, [tombstone, tombstone])
        await contacts(connection, [])
    assert (await contact_of(office))["sequence"] == 2


async def test_a_requested_mail_is_in_the_ledger_when_its_event_is_told(office: Office) -> None:
    await office.hear(CREATED, SCHEDULED, PAID)
    (row,) = await office.rows()
    (told,) = await office.told("mail-requested")
    assert str(row["notice_id"]) == told["notice_id"]
    assert (row["status"], row["kind"], row["customer_id"]) == (
        "queued",
        "order-confirmation",
        CUSTOMER,
    )
    assert row["next_attempt_at"] == office.clock.instant


async def test_a_mail_belongs_to_the_trace_that_asked_for_it(office: Office) -> None:
    again = event(billing.RenewalReminderDue, "again")
    corrected = event(licensing.ExpiryReasonCorrected)
    await office.hear(CREATED, traced(EXPIRED, "a"), traced(REMINDER, "b"), SCHEDULED, PAID)
    letters = {row["kind"]: row["letter"] for row in await office.rows()}
    await office.hear(traced(corrected, "c"), traced(event(billing.ReminderRetracted), "c"))
    await office.hear(traced(again, "d"))
    rows = {row["kind"]: row for row in await office.rows()}
    assert rows["expired"]["letter"] != letters["expired"]
    found = {kind: row["traceparent"] for kind, row in rows.items()}
    assert found == {
        "expired": traced(EXPIRED, "a").traceparent,
        "renewal-reminder": traced(again, "d").traceparent,
        "order-confirmation": None,
    }


async def test_a_mail_that_was_requested_and_retracted_at_once_is_never_queued(
    office: Office,
) -> None:
    await office.hear(CREATED, REMINDER, event(billing.ReminderRetracted))
    assert await office.rows() == []
    assert await office.said() == [
        "mail-requested renewal-reminder",
        "mail-retracted renewal-reminder",
    ]


async def test_a_state_survives_its_row(office: Office) -> None:
    await office.hear(CREATED, SCHEDULED)
    await office.hear(PAID)
    await office.hear(event(billing.PaymentSucceeded, "told twice"))
    assert await office.said() == ["mail-requested order-confirmation"]


async def test_what_waits_too_long_is_found_by_the_due_scan(office: Office) -> None:
    await office.hear(EXPIRED)
    due: Any = await office.pool.fetchval("select due_at from correspondence")
    assert due == office.clock.instant + timedelta(hours=24)


@pytest.mark.parametrize("many", [300])
async def test_many_subscriptions_in_one_transaction(office: Office, many: int) -> None:
    messages = []
    for number in range(many):
        id = subscription_id("online-store", f"batch-{number}")
        messages += [
            (id, event(billing.SubscriptionCreated, f"created {number}")),
            (id, event(licensing.Expired, f"expired {number}")),
        ]
    await office.processor.run(messages)
    assert len(await office.rows()) == many


async def work(building: EmbeddedStack) -> dict[str, asyncpg.Record]:
    connection = await asyncpg.connect(building.postgres.dsn("tenure_reader"))
    try:
        rows = await connection.fetch("select * from notifications.read_work")
    finally:
        await connection.close()
    return {row["kind"]: row for row in rows}


async def test_readers_see_what_is_still_to_do(office: Office, building: EmbeddedStack) -> None:
    assert set(await work(building)) == {"outbox", "due", "mail", "held", "outbox_dead"}
    assert (await work(building))["mail"]["next_due_at"] is None
    await office.hear(CREATED, EXPIRED)
    without_contact = (await work(building))["mail"]
    assert without_contact["next_due_at"] == office.clock.instant + timedelta(hours=24)
    await office.contact()
    assert (await work(building))["mail"]["next_due_at"] == office.clock.instant
    await office.pool.execute("update mail set status = 'started'")
    assert (await work(building))["mail"]["pending"] == 1
    await office.pool.execute("update mail set status = 'done'")
    left = await work(building)
    assert (left["mail"]["pending"], left["outbox"]["pending"]) == (0, 1)


async def test_readers_see_mails_without_address_or_body(
    office: Office, building: EmbeddedStack
) -> None:
    await office.hear(CREATED, EXPIRED)
    await office.contact()
    connection = await asyncpg.connect(building.postgres.dsn("tenure_reader"))
    try:
        (row,) = await connection.fetch("select * from notifications.read_mail")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("select * from notifications.contact")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("select * from notifications.mail")
    finally:
        await connection.close()
    assert row["subscription_id"] == SUBSCRIPTION
    assert not {"customer_id", "letter", "email", "name"} & set(row.keys())


async def test_a_subject_that_is_no_id_is_a_dead_letter() -> None:
    assert key_of(CREATED) == SUBSCRIPTION
    with pytest.raises(Impossible) as refused:
        key_of(CREATED.model_copy(update={"subject": "not-an-id"}))
    assert refused.value.code == "invalid_subject"
