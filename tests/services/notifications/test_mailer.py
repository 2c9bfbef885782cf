"""The mailer against a real mailbox and PostgreSQL: one copy, or the truth about it."""

import asyncio
import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from contracts import billing, licensing
from contracts.envelope import Envelope
from contracts.values import period_id, subscription_id
from services.notifications import ledger
from services.notifications.verdicts import Verdict
from tests.domain.notifications.stories import CREATED, PAID, REMINDER, SCHEDULED, T0, event, traced
from tests.services.notifications.office import Office, kinds

# One stack, one loop, one worker of a parallel run.
pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("notifications"),
]

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
RECEIPT = event(billing.PaymentSucceeded, kind="renewal")
EXPIRED = event(licensing.Expired)


async def test_a_confirmation_arrives_once_and_is_told(office: Office) -> None:
    await office.hear(CREATED, SCHEDULED, PAID)
    await office.contact(locale="de", name="Jörg")
    async with office.sending():
        await office.settled()
        await office.pause()
    (summary,) = await office.mailbox.messages()
    mail = await office.mailbox.message(summary["ID"])
    (row,) = await office.rows()
    assert mail["To"] == [{"Name": "Jörg", "Address": "ada@x.example"}]
    assert mail["Subject"] == "Ihre Bestellung bei Online Store ist bestätigt"
    assert "https://store.example.com/subscriptions/ref-1" in mail["Text"]
    assert "15. Juni 2025 bis 15. Juni 2026" in mail["Text"]
    assert row["message_id"] == f"<{row['notice_id']}@tenure.example>"
    assert mail["MessageID"] in row["message_id"]
    assert (row["outcome"], row["attempts"], row["smtp_code"]) == ("accepted", 1, 250)
    assert await office.said() == [
        "mail-requested order-confirmation",
        "mail-accepted order-confirmation",
    ]


async def test_a_temporary_refusal_is_tried_again_in_business_time(office: Office) -> None:
    await office.faults({"stage": "rcpt", "code": 451, "times": 2})
    await office.hear(CREATED, EXPIRED)
    await office.contact()
    async with office.sending():
        for attempts, wait in ((1, MINUTE), (2, 2 * MINUTE)):
            await office.until(
                "select bool_and(attempts = $1 and status = 'queued') from mail", attempts
            )
            await office.pause()
            office.later(wait - timedelta(seconds=1))
            await office.pause()
            assert await office.copies() == []
            office.later(timedelta(seconds=1))
        await office.settled()
    assert len(await office.copies()) == 1
    assert await office.said() == ["mail-requested expired", "mail-accepted expired"]


@pytest.mark.parametrize("stage", ["rcpt", "data"])
async def test_a_refusal_for_good_ends_the_mail(office: Office, stage: str) -> None:
    await office.faults({"stage": stage, "code": 550})
    await office.hear(CREATED, EXPIRED)
    await office.contact()
    async with office.sending():
        await office.settled()
    assert await office.copies() == []
    assert [told["smtp_code"] for told in await office.told("mail-refused")] == [550]


async def test_one_bad_recipient_does_not_stop_the_batch(office: Office) -> None:
    for number in range(20):
        id = subscription_id("online-store", f"many-{number}")
        created = event(
            billing.SubscriptionCreated, f"created {number}", reference=f"many-{number}"
        )
        await office.hear(created, event(licensing.Expired, f"expired {number}"), id=id)
    await office.contact()
    await office.faults(
        {"stage": "rcpt", "code": 550, "times": 3},
        {"stage": "data", "code": 451, "times": 2},
        {"stage": "rcpt", "code": 421, "times": 1},
    )
    async with office.sending():
        await office.until("select count(*) = 17 from mail where status = 'done'")
        office.later(MINUTE)
        await office.settled(20)
    outcomes = [row["outcome"] for row in await office.rows()]
    assert sorted(outcomes) == ["accepted"] * 17 + ["refused"] * 3
    assert len(await office.copies()) == len(set(await office.copies())) == 17


@pytest.mark.parametrize("stage", ["data", "after_accept"])
async def test_other_kinds_are_not_repeated_after_an_unknown_end(
    office: Office, stage: str
) -> None:
    await office.faults({"stage": stage, "action": "drop"})
    await office.hear(CREATED, SCHEDULED, RECEIPT)
    await office.contact()
    async with office.sending():
        await office.settled()
        office.later(DAY)
        await office.pause()
    assert len(await office.copies()) == (1 if stage == "after_accept" else 0)
    assert await office.said() == ["mail-requested receipt", "mail-unknown receipt"]


@pytest.mark.parametrize("asked", [PAID, REMINDER])
async def test_confirmation_and_reminder_are_repeated_once_under_the_same_message_id(
    office: Office, asked: Envelope
) -> None:
    await office.faults({"stage": "after_accept", "action": "drop", "times": 1})
    await office.hear(CREATED, SCHEDULED, asked)
    await office.contact()
    async with office.sending():
        await office.until("select bool_and(resent) from mail")
        assert len(await office.copies()) == 1
        office.later(MINUTE)
        await office.settled()
    copies = await office.copies()
    assert len(copies) == 2
    assert len(set(copies)) == 1
    assert [row["outcome"] for row in await office.rows()] == ["accepted"]


async def test_a_second_unknown_end_is_the_last(office: Office) -> None:
    await office.faults({"stage": "after_accept", "action": "drop"})
    await office.hear(CREATED, REMINDER)
    await office.contact()
    async with office.sending():
        await office.until("select bool_and(resent) from mail")
        office.later(MINUTE)
        await office.settled()
        office.later(DAY)
        await office.pause()
    assert len(await office.copies()) == 2
    assert await office.said() == [
        "mail-requested renewal-reminder",
        "mail-unknown renewal-reminder",
    ]


async def test_while_the_mail_server_is_away_mails_wait(office: Office) -> None:
    await office.hear(CREATED, SCHEDULED, PAID, EXPIRED)
    await office.contact()
    await office.mailbox.stop()
    try:
        async with office.sending() as mailer:
            await office.pause()
            assert mailer.trouble
            assert "mail server" in mailer.trouble
            office.later(2 * DAY)
            assert [row["attempts"] for row in await office.rows()] == [0, 0]
            await office.mailbox.start()
            await office.settled(2)
            assert mailer.trouble is None
    finally:
        await office.mailbox.start()
    assert len(set(await office.copies())) == len(await office.copies()) == 2


async def test_a_server_that_turns_us_away_at_the_door_is_away(office: Office) -> None:
    await office.faults({"stage": "connect", "code": 421, "times": 2})
    await office.hear(CREATED, EXPIRED)
    await office.contact()
    async with office.sending():
        await office.settled()
    (row,) = await office.rows()
    assert (row["outcome"], row["attempts"]) == ("accepted", 1)


async def test_a_mail_waits_a_day_for_its_contact(office: Office) -> None:
    await office.hear(CREATED, SCHEDULED, PAID)
    async with office.sending():
        office.later(DAY - MINUTE)
        await office.pause()
        assert [row["status"] for row in await office.rows()] == ["queued"]
        await office.contact()
        await office.settled()
    assert len(await office.copies()) == 1


async def test_without_a_contact_a_mail_is_suppressed_after_a_day(office: Office) -> None:
    await office.hear(CREATED, EXPIRED)
    async with office.sending():
        await office.pause()
        office.later(DAY)
        await office.settled()
    assert [told["code"] for told in await office.told("mail-suppressed")] == ["NO_CONTACT"]
    await office.contact()
    assert await office.copies() == []


async def test_an_erased_customer_gets_no_mail(office: Office) -> None:
    await office.hear(CREATED, EXPIRED)
    await office.contact(sequence=1)
    await office.project(2, None)
    async with office.sending():
        await office.settled()
    assert [told["code"] for told in await office.told("mail-suppressed")] == ["ERASED"]
    assert await office.copies() == []


@pytest.mark.parametrize("email", ["a@x.example,b@y.example", "Ada <a@x.example>", "ä@x.example"])
async def test_an_unsafe_address_is_suppressed(office: Office, email: str) -> None:
    await office.hear(CREATED, EXPIRED)
    await office.contact(email=email)
    async with office.sending():
        await office.settled()
    assert [told["code"] for told in await office.told("mail-suppressed")] == ["UNSAFE_ADDRESS"]
    assert await office.copies() == []


async def test_a_letter_that_cannot_be_rendered_stops_nobody(office: Office) -> None:
    await office.hear(CREATED, SCHEDULED, PAID, EXPIRED)
    await office.pool.execute(
        "update mail set letter = '{\"provider_name\": \"x\"}' where kind = 'expired'"
    )
    await office.contact()
    async with office.sending():
        await office.settled(2)
    assert kinds(await office.rows()) == {
        "expired": "suppressed",
        "order-confirmation": "accepted",
    }
    assert [told["code"] for told in await office.told("mail-suppressed")] == ["NOT_RENDERED"]


async def test_a_retracted_mail_does_not_leave(office: Office) -> None:
    await office.hear(CREATED, REMINDER)
    await office.contact()
    await office.hear(event(billing.ReminderRetracted))
    async with office.sending():
        await office.pause()
    assert await office.copies() == []
    assert kinds(await office.rows()) == {"renewal-reminder": "retracted"}


async def test_a_retracted_mail_that_is_asked_for_again_leaves_once(office: Office) -> None:
    await office.hear(CREATED, REMINDER)
    await office.hear(event(billing.ReminderRetracted))
    await office.hear(event(billing.RenewalReminderDue, "due again"))
    await office.contact()
    async with office.sending():
        await office.settled()
    assert len(await office.copies()) == 1
    assert (await office.said())[-1] == "mail-accepted renewal-reminder"


async def test_a_mail_that_is_retracted_on_the_wire_is_told_as_it_ended(office: Office) -> None:
    await office.faults({"stage": "after_accept", "action": "hang", "times": 1})
    await office.hear(CREATED, SCHEDULED, RECEIPT, event(licensing.GraceStarted))
    await office.contact()
    async with office.sending(NOTIFICATIONS_SMTP_REPLY_TIMEOUT=1):
        await office.until("select count(*) > 0 from mail where status = 'started'")
        await office.hear(event(licensing.Recovered))
        await office.settled(3)
    ended = kinds(await office.rows())
    assert ended["recovered"] == "accepted"
    assert ended["grace-started"] in ("retracted", "accepted", "unknown")
    said = await office.said()
    for kind, outcome in ended.items():
        if outcome != "retracted":
            assert f"mail-{outcome} {kind}" in said


async def test_a_letter_tells_the_facts_as_known_when_it_leaves(office: Office) -> None:
    await office.hear(CREATED, EXPIRED)
    await office.hear(event(licensing.ExpiryReasonCorrected))
    await office.contact()
    async with office.sending():
        await office.settled()
    (summary,) = await office.mailbox.messages()
    assert "You had canceled it" in (await office.mailbox.message(summary["ID"]))["Text"]


async def started_by_a_worker_that_dies(office: Office) -> None:
    """What a process leaves behind that is killed at `mail.after_intent`."""
    async with office.pool.acquire() as connection:
        mails = await ledger.start(
            connection,
            uuid4(),
            office.clock.instant,
            limit=10,
            lease=timedelta(seconds=0.5),
            message_id_domain="tenure.example",
        )
    assert len(mails) == 2


async def test_mails_of_a_dead_worker_are_taken_over(office: Office) -> None:
    await office.hear(CREATED, SCHEDULED, traced(RECEIPT, "a"), traced(REMINDER, "b"))
    await office.contact()
    await started_by_a_worker_that_dies(office)
    async with office.sending():
        await office.until("select count(*) = 1 from mail where resent")
        office.later(MINUTE)
        await office.settled(2)
    assert kinds(await office.rows()) == {"receipt": "unknown", "renewal-reminder": "accepted"}
    assert len(await office.copies()) == 1
    traces = [json.loads(row["value"])["traceparent"][3] for row in await ended(office)]
    assert traces == ["a", "b"]


async def ended(office: Office) -> list[Any]:
    """What was told of the ends of mails."""
    question = "select value from outbox where type not like '%requested%' order by id"
    return list(await office.pool.fetch(question))


async def test_a_slow_server_does_not_cost_the_claim(office: Office) -> None:
    await office.faults({"stage": "after_accept", "action": "hang"})
    await office.hear(CREATED, REMINDER)
    await office.contact()
    patient = {"NOTIFICATIONS_SMTP_REPLY_TIMEOUT": 3, "NOTIFICATIONS_MAIL_LEASE": 1}
    async with office.sending(**patient), office.sending(**patient):
        await office.until("select bool_and(resent) from mail")
        (row,) = await office.rows()
    assert row["attempts"] == 1
    assert len(await office.copies()) == 1


async def test_a_worker_that_lost_its_claim_records_nothing(office: Office) -> None:
    await office.hear(CREATED, REMINDER)
    await office.contact()
    delivery = office.delivery()
    claim = uuid4()
    mails, _ = await delivery.start(claim)
    await office.pool.execute("update mail set claim = $1", uuid4())
    await delivery.record(claim, mails, [Verdict("accepted", 250)])
    assert [row["status"] for row in await office.rows()] == ["started"]
    assert await office.said() == ["mail-requested renewal-reminder"]


async def test_two_mailers_send_each_mail_once(office: Office) -> None:
    count = 200
    for number in range(count):
        id = subscription_id("online-store", f"two-{number}")
        order = event(
            billing.PaymentSucceeded,
            f"paid {number}",
            order_id="order-1",
            period_id=period_id(id, "order-1"),
        )
        scheduled = event(
            billing.PeriodScheduled, f"scheduled {number}", period_id=period_id(id, "order-1")
        )
        created = event(billing.SubscriptionCreated, f"made {number}", reference=f"two-{number}")
        await office.hear(created, scheduled, order, id=id)
    await office.contact()
    async with office.sending(NOTIFICATIONS_MAIL_BATCH=7), office.sending():
        await office.settled(count)
    copies = await office.copies()
    assert len(copies) == len(set(copies)) == count
    assert (await office.said()).count("mail-accepted order-confirmation") == count


async def test_a_stop_finishes_the_mail_in_hand(office: Office) -> None:
    await office.hear(CREATED, SCHEDULED, PAID, EXPIRED)
    await office.contact()
    mailer = office.mailer()
    await mailer.start()
    await office.until("select count(*) > 0 from mail where status <> 'queued'")
    await asyncio.wait_for(mailer.stop(), 5)
    for row in await office.rows():
        assert row["status"] in ("queued", "done")
    accepted = [row for row in await office.rows() if row["outcome"] == "accepted"]
    assert len(await office.copies()) == len(accepted)


async def test_the_time_of_the_events_is_business_time(office: Office) -> None:
    await office.hear(CREATED, REMINDER)
    await office.contact()
    office.later(timedelta(hours=3))
    async with office.sending():
        await office.settled()
    (told,) = await office.told("mail-accepted")
    assert told["at"].startswith((T0 + timedelta(hours=3)).isoformat()[:16])
    assert told["end"].startswith("2026-06-15")
