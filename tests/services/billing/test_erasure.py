"""A customer is erased: a tombstone on customers.contacts, no mail any more, and older orders bring nothing back."""

from datetime import datetime, timedelta
from uuid import UUID, uuid4

from aiokafka import ConsumerRecord

from contracts import billing, notifications
from contracts.catalogue import ENVELOPES
from contracts.commands import EraseCustomer
from contracts.envelope import OWN_SOURCE
from contracts.topics import BILLING_COMMANDS, CUSTOMERS_CONTACTS
from contracts.values import customer_id, subscription_id
from tests.support import upstream
from tests.support.desk import Desk


class Person:
    """A customer with any number of subscriptions."""

    def __init__(self, desk: Desk) -> None:
        """Nothing is ordered yet."""
        self.desk = desk
        self.ref = f"C-{uuid4().hex[:8]}"
        self.id = customer_id("online-store", self.ref)

    async def order(self, at: datetime, paid: bool = False) -> UUID:
        """Order, and pay if wanted; the subscription's id."""
        reference = f"erased-{uuid4().hex[:8]}"
        order = upstream.order(reference, f"{reference}-1", customer_ref=self.ref)
        await self.desk.tell(reference, "order-placed", at, order)
        if paid:
            done = upstream.success(f"{reference}-1")
            await self.desk.tell(reference, "payment-succeeded", at, done)
        await self.desk.settled()
        return subscription_id("online-store", reference)

    async def erase(self, subject: UUID | None = None) -> str:
        """An operator erases the customer; the command's id."""
        key = str(subject or self.id)
        message = ENVELOPES[EraseCustomer.TYPE](
            specversion="1.0",
            id=str(uuid4()),
            source=f"{OWN_SOURCE}ops",
            type=EraseCustomer.TYPE,
            subject=key,
            time=await self.desk.now(),
            providerid="online-store",
            data=EraseCustomer(customer_id=self.id, operator="kim"),
        )
        await self.desk.send(BILLING_COMMANDS, key.encode(), message.to_json())
        await self.desk.settled()
        return message.id

    def records(self) -> list[ConsumerRecord]:
        """What was published about the customer's contact."""
        topic = self.desk.stack.topic(CUSTOMERS_CONTACTS.name)
        found = [r for r in self.desk.recording.records if r.topic == topic]
        return [r for r in found if r.key == str(self.id).encode()]

    def told(self) -> list[tuple[int, bool]]:
        """The sequence of each, and whether it was a tombstone."""
        return [
            (int(dict(r.headers)["ce_sequence"]), True)
            if r.value is None
            else (self._sequence(r), False)
            for r in self.records()
        ]

    def _sequence(self, record: ConsumerRecord) -> int:
        messages = self.desk.recording.messages(self.id)
        return next(m.sequence or 0 for m in messages if m.to_json() == record.value)


async def test_an_erased_customer_gets_a_tombstone_and_no_mail(desk: Desk) -> None:
    person, now = Person(desk), await desk.now()
    await person.order(now - timedelta(days=1))
    command = await person.erase()
    assert person.told() == [(1, False), (2, True)]
    headers = {name: (value or b"").decode() for name, value in person.records()[-1].headers}
    assert headers["ce_causationid"] == command
    assert UUID(headers["ce_id"])
    assert (headers["ce_type"], headers["ce_subject"], headers["ce_source"]) == (
        billing.CustomerContact.TYPE, str(person.id), "/tenure/billing",
    )  # fmt: skip
    subscription = await person.order(now - timedelta(hours=1), paid=True)
    assert len(person.records()) == 2
    (suppressed,) = desk.recording.told(subscription, notifications.MailSuppressed)
    assert suppressed.code == "ERASED"


async def test_who_orders_anew_after_the_erasure_is_known_again(desk: Desk) -> None:
    """Erased wins over anything older, not over what the customer tells afterwards."""
    person = Person(desk)
    await person.erase()
    await person.erase()
    await person.order(await desk.now() - timedelta(days=3))
    assert person.told() == [(1, True), (2, True)]
    subscription = await person.order(await desk.now() + timedelta(minutes=1), paid=True)
    assert person.told()[2:] == [(3, False)]
    assert desk.recording.told(subscription, notifications.MailSuppressed) == []


async def test_an_erasure_under_another_subject_is_a_dead_letter(desk: Desk) -> None:
    person = Person(desk)
    await person.order(await desk.now())
    before = len(desk.recording.dead_letters)
    await person.erase(subject=uuid4())
    (letter,) = desk.recording.dead_letters[before:]
    assert letter.code == "invalid_subject"
    assert person.told() == [(1, False)]
