"""Every command ends in exactly one event that names its id, and repeating it changes nothing."""

import json
from uuid import UUID, uuid4

import pytest

from contracts import billing, commands
from contracts.base import Data
from contracts.catalogue import ENVELOPES
from contracts.commands import Identity
from contracts.envelope import OWN_SOURCE
from contracts.identity import identity_digest
from contracts.topics import BILLING_COMMANDS
from contracts.values import subscription_id
from tests.support import upstream
from tests.support.desk import Desk
from tests.support.worker_stack import WorkerStack

KEY = b"development only"


class Customer:
    """Somebody with a paid subscription who sends commands."""

    def __init__(self, desk: Desk, provider: str = "online-store") -> None:
        """Nothing is ordered yet."""
        self.desk = desk
        self.provider = provider
        self.reference = f"asks-{uuid4().hex[:8]}"
        self.id = subscription_id(provider, self.reference)

    async def subscribe(self) -> "Customer":
        """Order and pay."""
        await self.desk.subscribe(self.reference, await self.desk.now())
        await self.desk.settled()
        return self

    async def ask(self, data: Data, source: str = f"{OWN_SOURCE}ops", id: str | None = None) -> str:
        """Send a command; its id."""
        id = id or str(uuid4())
        message = ENVELOPES[data.TYPE](
            specversion="1.0",
            id=id,
            source=source,
            type=data.TYPE,
            subject=str(self.id),
            time=await self.desk.now(),
            providerid=self.provider,
            data=data,
        )
        await self.desk.send(BILLING_COMMANDS, str(self.id).encode(), message.to_json())
        return id

    async def answer(self, data: Data) -> Data:
        """The one event that a command ended in."""
        id = await self.ask(data)
        await self.desk.settled()
        (answer,) = self.desk.recording.caused_by(self.id, id)
        return answer.data

    async def identity(self) -> Identity:
        """What the customer knows about the purchase."""
        return Identity(
            purchased_on=(await self.desk.now()).date(),
            name_digest=identity_digest(KEY, upstream.NAME),
            email_digest=identity_digest(KEY, upstream.address(self.reference)),
        )


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (commands.Uncancel(channel="account"), "NOT_CANCELED"),
        (commands.ApproveRefund(case_id=UUID(int=1), operator="op"), "CASE_UNKNOWN"),
        (commands.DeclineRefund(case_id=UUID(int=1), operator="op", code="NO"), "CASE_UNKNOWN"),
    ],
    ids=lambda value: value.TYPE if isinstance(value, Data) else "",
)
async def test_a_no_is_an_event_with_a_code_and_a_sentence(
    desk: Desk, data: Data, code: str
) -> None:
    customer = await Customer(desk).subscribe()
    answer = await customer.answer(data)
    assert isinstance(answer, billing.CommandRefused)
    assert (answer.command, answer.code) == (data.TYPE, code)
    assert answer.sentence.endswith(".")


async def test_a_customer_page_may_ask_under_a_name_of_its_own(desk: Desk) -> None:
    customer = await Customer(desk).subscribe()
    id = await customer.ask(commands.Cancel(channel="account"), "/shop/account", "click-1")
    await desk.settled()
    answers = [m for m in desk.recording.messages(customer.id) if m.causationid == id]
    assert [type(m.data) for m in answers] == [billing.CancellationScheduled]


async def test_the_answer_is_kept_for_who_asks_again(desk: Desk, stack: WorkerStack) -> None:
    customer = await Customer(desk).subscribe()
    id = await customer.ask(commands.Cancel(channel="account"))
    refused = await customer.ask(commands.Cancel(channel="account"))
    await desk.settled()
    async with stack.connect("reader") as connection:
        rows = await connection.fetch(
            "select command_id, type, event_id, data from billing.read_command_answers"
            " where subscription_id = $1 order by answered_at, type desc",
            customer.id,
        )
    kept = {row["command_id"]: row["type"] for row in rows}
    assert kept == {id: billing.CancellationScheduled.TYPE, refused: billing.CommandRefused.TYPE}
    for row in rows:
        (told,) = desk.recording.caused_by(customer.id, row["command_id"])
        assert told.id == str(row["event_id"])
        assert json.loads(row["data"]) == told.data.model_dump(mode="json", exclude_none=True)


async def test_a_refund_case_can_be_listed_with_its_status(desk: Desk, stack: WorkerStack) -> None:
    customer = await Customer(desk).subscribe()
    order_id = f"{customer.reference}-1"
    asked = await customer.ask(
        commands.RequestRefund(order_id=order_id, identity=await customer.identity())
    )
    await desk.settled()
    opened, review = desk.recording.caused_by(customer.id, asked)
    assert isinstance(opened.data, billing.RefundRequested)
    assert isinstance(review.data, billing.RefundUnderReview)
    case = opened.data.case_id
    declined = await customer.answer(
        commands.DeclineRefund(case_id=case, operator="op", code="NOT_ELIGIBLE")
    )
    assert isinstance(declined, billing.RefundDeclined)
    async with stack.connect("reader") as connection:
        row = await connection.fetchrow(
            "select status, code from billing.read_refund_cases where case_id = $1", case
        )
    assert row
    assert (row["status"], row["code"]) == ("declined", "NOT_ELIGIBLE")


async def test_many_commands_at_once_are_answered_each(desk: Desk) -> None:
    customers = [Customer(desk) for _ in range(10)]
    now = await desk.now()
    for customer in customers:
        await desk.subscribe(customer.reference, now)
    await desk.settled()
    asked = {
        await customer.ask(data): customer
        for customer in customers
        for data in (commands.Cancel(channel="account"), commands.Uncancel(channel="account"))
    }
    await desk.settled()
    for id, customer in asked.items():
        assert len(desk.recording.caused_by(customer.id, id)) == 1
