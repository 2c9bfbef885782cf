"""`tenure refunds`: cases as operators see and decide them."""

from datetime import date as Date
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from cyclopts import App, Parameter
from rich.table import Table

from contracts.billing import RefundDeclined
from contracts.commands import ApproveRefund, DeclineRefund, Identity, RequestRefund
from contracts.identity import identity_digest
from contracts.values import Money
from ops.asking import Answer, AsJson, CommandId, SubscriptionName, ask, ask_for, build, show
from ops.connection import Stack, find_stack
from ops.errors import NotFound
from ops.instants import parse_instant
from ops.phrases import money
from ops.subscriptions import Known
from ops.terminal import console, emit, moment, run, suggestion

if TYPE_CHECKING:
    pass

app = App(name="refunds", help="Request, list and decide refunds.")
STATUSES = ("requested", "under-review", "approved", "declined", "initiated", "settled", "failed")
_DEVELOPMENT_KEY = "development only"
_CASES = """
select c.*, s.provider_id, s.reference from billing.read_refund_cases c
join billing.read_subscriptions s using (subscription_id)
where $1::text is null or c.status = $1 order by c.requested_at, c.case_id
"""

CaseId = Annotated[str, Parameter(help="The case, as `refunds list` shows it.")]
Operator = Annotated[str, Parameter(help="Who decides; kept with the case.")]
Note = Annotated[str | None, Parameter(help="Kept with the decision.")]


@app.command
def request(
    subscription: SubscriptionName,
    order: Annotated[str, Parameter(help="The order that is to be paid back.")],
    /,
    *,
    purchased_on: Annotated[str, Parameter(help="Day of the order as the customer knows it.")],
    name: Annotated[str, Parameter(help="The customer's name; only its digest leaves here.")],
    email: Annotated[str, Parameter(help="The customer's address; only its digest leaves here.")],
    requested_at: Annotated[str | None, Parameter(help="When the customer asked.")] = None,
    reason: Note = None,
    id: CommandId = None,
    json: AsJson = False,
) -> None:
    """Ask for a refund of one order, on behalf of a customer who knows date, name and address."""
    stack = find_stack()
    key = stack.variables.get("IDENTITY_DIGEST_KEY", _DEVELOPMENT_KEY).encode()
    identity = Identity(
        purchased_on=_day(purchased_on),
        name_digest=identity_digest(key, name),
        email_digest=identity_digest(key, email),
    )
    asked = parse_instant(requested_at) if requested_at else None
    data = build(
        RequestRefund, order_id=order, identity=identity, requested_at=asked, reason=reason
    )
    answer = run(ask_for(subscription, data, id))
    show(answer, as_json=json, no=RefundDeclined)


def _day(text: str) -> Date:
    return parse_instant(text).date()


@app.command(name="list")
def list_(
    *,
    status: Annotated[str | None, Parameter(help=", ".join(STATUSES))] = None,
    json: AsJson = False,
) -> None:
    """List refund cases, oldest request first."""
    if status is not None and status not in STATUSES:
        raise NotFound(f"There is no status '{status}'.{suggestion(status, STATUSES)}")
    cases = run(_cases(find_stack(), status))
    if json:
        for case in cases:
            emit(case)
    elif cases:
        console().print(table(cases))
    else:
        console().print("No refund cases." if status is None else f"No refund case is {status}.")


def table(cases: list[dict[str, Any]]) -> Table:
    """The cases as a table; ids whole, to be copied."""
    out = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("case", "subscription", "order", "status", "amount", "requested"):
        out.add_column(title, no_wrap=title == "case")
    for case in cases:
        amount = Money(minor=case["amount_minor"], currency=case["currency"])
        status = f"{case['status']} {case['code'] or ''}".strip()
        name = f"{case['provider_id']}/{case['reference']}"
        asked = moment(case["requested_at"])
        out.add_row(str(case["case_id"]), name, case["order_id"], status, money(amount), asked)
    return out


@app.command
def approve(
    case: CaseId,
    /,
    *,
    operator: Operator,
    note: Note = None,
    id: CommandId = None,
    json: AsJson = False,
) -> None:
    """Approve a case under review; the refund is initiated at once."""
    show(run(_decide(case, {"operator": operator, "note": note}, id)), as_json=json)


@app.command
def decline(
    case: CaseId,
    code: Annotated[str, Parameter(help="A stable reason such as NOT_ELIGIBLE.")],
    /,
    *,
    operator: Operator,
    note: Note = None,
    id: CommandId = None,
    json: AsJson = False,
) -> None:
    """Decline a case under review with a reason code."""
    fields = {"operator": operator, "note": note, "code": code}
    show(run(_decide(case, fields, id)), as_json=json)


async def _decide(given: str, fields: dict[str, Any], id: UUID | None) -> Answer:
    stack = find_stack()
    found = {str(case["case_id"]): case for case in await _cases(stack, None)}
    case = found.get(given.lower())
    if case is None:
        raise NotFound(f"No refund case '{given}' is known.{suggestion(given, found)}")
    kind = DeclineRefund if "code" in fields else ApproveRefund
    data = build(kind, case_id=case["case_id"], **fields)
    known = Known(case["subscription_id"], case["provider_id"], case["reference"])
    return await ask(stack, known, data, id)


async def _cases(stack: Stack, status: str | None) -> list[dict[str, Any]]:
    async with stack.database() as connection:
        return [dict(row) for row in await connection.fetch(_CASES, status)]
