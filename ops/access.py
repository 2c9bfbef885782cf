"""`tenure access`: what one subscription may use at an instant, until when, and why."""

from datetime import datetime
from typing import Annotated, Any

from cyclopts import Parameter

from ledger.access import Access, access_at
from ops.connection import Stack, find_stack
from ops.instants import parse_instant
from ops.standing import read_history
from ops.subscriptions import Known, find_subscription
from ops.terminal import console, emit, run
from ops.work import read_now


def access(
    subscription: Annotated[str, Parameter(help="Its id, R-1001, or online-store/R-1001.")],
    /,
    *,
    at: Annotated[str | None, Parameter(help="An instant such as 2025-01-31T10:00; now.")] = None,
    json: Annotated[bool, Parameter(help="One JSON object.")] = False,
) -> None:
    """Say what may be used at an instant, until when, and by which rules and facts."""
    from ops.access_view import render

    instant = parse_instant(at) if at else None
    known, asked, found = run(fetch(find_stack(), subscription, instant))
    if json:
        emit(to_json(known, asked, found))
    else:
        console().print(render(known, asked, found))


async def fetch(
    stack: Stack, given: str, instant: datetime | None
) -> tuple[Known, datetime, Access | None]:
    """The subscription, the instant (now unless given), and the access then; None when nothing was paid.

    Raises NotFound with a suggestion for an unknown subscription, Unavailable.
    """
    from policies import load_policies

    async with stack.database() as connection:
        known = await find_subscription(connection, given)
        asked = instant or await read_now(connection, virtual=stack.virtual)
        history = await read_history(connection, known)
    policies = load_policies()
    found = access_at(history, lambda v: policies.stamped(known.provider_id, v), asked)
    return known, asked, found


def to_json(known: Known, asked: datetime, found: Access | None) -> dict[str, Any]:
    """The answer as plain data; without a `state` nothing was paid by then."""
    who = {
        "subscription_id": str(known.id),
        "provider_id": known.provider_id,
        "reference": known.reference,
        "as_of": asked,
    }
    if found is None:
        return {**who, "state": None}
    return {
        **who,
        "state": found.state,
        "capabilities": found.capabilities.model_dump(),
        "seats": found.seats,
        "since": found.since,
        "valid_until": found.valid_until,
        "days_remaining": found.days_remaining,
        "paid_through": found.paid_through,
        "renewal_pending": found.renewal_pending,
        "policy_version": found.policy_version,
        "rules": found.rules,
        "causes": [
            {"kind": cause.kind, "fact_id": str(cause.fact_id), "at": cause.at}
            for cause in found.causes
        ],
    }
