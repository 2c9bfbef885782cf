"""What the demo's customers and operators do through our own commands while time flies."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from contracts.base import Data
from contracts.billing import (
    CancellationScheduled,
    PauseScheduled,
    RefundApproved,
    RefundRequested,
    SettingsChanged,
)
from contracts.commands import (
    ApproveRefund,
    Cancel,
    ChangeSettings,
    Identity,
    Pause,
    RequestRefund,
)
from contracts.identity import identity_digest
from contracts.values import subscription_id
from devstack.behaviour import Customer
from devstack.lives import Act
from ops.asking import Answer, ask
from ops.connection import Stack
from ops.errors import CheckFailed
from ops.subscriptions import Known
from ops.terminal import moment

D = TypeVar("D", bound=Data)
Ask = Callable[[Stack, Known, Data], Awaitable[Answer]]
DIGEST_KEY = "demo only"
_SEATS = 5
#: Where the store that gives money back is, so that its customers know the day of an order.
_STORE = ZoneInfo("Europe/Berlin")
#: Sixty-five days before the end of the year, so that twenty of them lie after it.
_PAUSED = timedelta(days=85)


async def carry_out(stack: Stack, act: Act, customer: Customer, ask: Ask = ask) -> str:
    """Ask what an act asks; returns what happened in words. Raises CheckFailed for a refusal."""
    id = subscription_id(act.provider_id, act.reference)
    known = Known(id, act.provider_id, act.reference)
    match act.what:
        case "cancel":
            data = Cancel(channel="account", reason="no longer needed")
            await _agreed(ask, stack, known, data, CancellationScheduled)
            return f"{act.reference} cancels"
        case "pause":
            until = act.at + _PAUSED
            paused = Pause(channel="account", resumes_at=until)
            await _agreed(ask, stack, known, paused, PauseScheduled)
            return f"{act.reference} pauses after this year until {moment(until)}"
        case "change_seats":
            more = ChangeSettings(channel="account", seats=_SEATS)
            await _agreed(ask, stack, known, more, SettingsChanged)
            return f"{act.reference} adds devices: {_SEATS} seats from now"
        case "refund_first":
            return await _refund(
                ask, stack, known, customer, f"{act.reference}-1", customer.ordered_at
            )
        case "refund_renewal":
            return await _refund(ask, stack, known, customer, *await _renewal(stack, known))


async def _refund(
    ask: Ask, stack: Stack, known: Known, customer: Customer, order_id: str, bought: datetime
) -> str:
    key = DIGEST_KEY.encode()
    identity = Identity(
        purchased_on=bought.astimezone(_STORE).date(),
        name_digest=identity_digest(key, customer.name),
        email_digest=identity_digest(key, customer.email),
    )
    request = RequestRefund(order_id=order_id, identity=identity)
    case = await _agreed(ask, stack, known, request, RefundRequested)
    approval = ApproveRefund(case_id=case.case_id, operator="demo operator")
    await _agreed(ask, stack, known, approval, RefundApproved)
    return f"{known.reference} asks for the money of {order_id} back; an operator approves"


async def _agreed(ask: Ask, stack: Stack, known: Known, data: Data, kind: type[D]) -> D:
    """The answer to a command that cannot be refused in a life that goes as planned."""
    answer = await ask(stack, known, data)
    event = answer.event
    if not isinstance(event, kind):
        raise CheckFailed(f"{known.reference}: {data.TYPE} was answered by {answer.type}.")
    return event


async def _renewal(stack: Stack, known: Known) -> tuple[str, datetime]:
    """The order that renewed a subscription, and when it was paid."""
    async with stack.database() as connection:
        row = await connection.fetchrow(
            "select data ->> 'order_id' as order_id, at from billing.read_facts"
            " where subscription_id = $1 and fact = 'paid' order by at desc limit 1",
            known.id,
        )
    if row is None:
        raise CheckFailed(f"{known.reference} was never renewed.")
    return row["order_id"], row["at"]
