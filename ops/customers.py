"""`tenure customers erase`: forget a customer's name and address, and see that it was done."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated
from uuid import UUID, uuid4

from aiokafka import ConsumerRecord
from cyclopts import App, Parameter

from contracts.commands import EraseCustomer
from contracts.topics import CUSTOMERS_CONTACTS, PAYMENTS_EVENTS
from contracts.values import customer_id
from ops.asking import CommandId, build, envelope, sent
from ops.connection import Stack, find_stack
from ops.errors import NotFound, OpsError, WrongUsage
from ops.records import read_keys
from ops.subscriptions import find_subscription
from ops.tail_lines import headers_of, understood
from ops.terminal import confirmed, console, emit, run, safe, suggestion
from ops.work import read_now

if TYPE_CHECKING:
    import asyncpg

app = App(name="customers", help="Customers: erase name and address.")
_OWNERS = """
select distinct (data ->> 'customer_id')::uuid as id from billing.read_facts
where subscription_id = $1 and fact = 'ordered' order by 1
"""


@dataclass(frozen=True)
class Person:
    """A customer: the id, whose customer it is, and the records of the contact."""

    id: UUID
    provider_id: str
    records: tuple[ConsumerRecord, ...]

    @property
    def has_contact(self) -> bool:
        """Whether the latest record is a contact, not a tombstone."""
        return bool(self.records) and self.records[-1].value is not None


@dataclass(frozen=True)
class Erased:
    """The tombstone that answers the command."""

    customer_id: str
    provider_id: str
    command_id: str
    event_id: str
    sequence: int
    recorded_at: str


@app.command
def erase(
    customer: Annotated[
        str | None, Parameter(help="The customer_id, or provider/customer_ref.")
    ] = None,
    /,
    *,
    subscription: Annotated[
        str | None, Parameter(help="Who ordered this one: its id, R-1001, or online-store/R-1001.")
    ] = None,
    operator: Annotated[str, Parameter(help="Who decides; kept in the command.")],
    yes: Annotated[bool, Parameter(help="Do not ask.", negative="")] = False,
    id: CommandId = None,
    json: Annotated[bool, Parameter(help="The tombstone as one JSON object.")] = False,
) -> None:
    """Erase name and address of a customer everywhere; subscriptions live on without mail."""
    if (customer is None) == (subscription is None):
        raise WrongUsage("Say who: a customer, or --subscription.")
    stack = find_stack()
    person = run(_find(stack, customer, subscription))
    if not yes:
        _confirm(person)
    erased = run(_erase(stack, person, operator, id))
    if json:
        emit(asdict(erased))
        return
    console().print(
        safe(
            f"customer {erased.customer_id} of {erased.provider_id} is erased\n"
            f"tombstone {erased.sequence} on {CUSTOMERS_CONTACTS.name} at {erased.recorded_at}\n"
            f"What the orders say of them stays on {PAYMENTS_EVENTS.name} for "
            f"{PAYMENTS_EVENTS.kept_days} days at most."
        )
    )


async def _find(stack: Stack, customer: str | None, subscription: str | None) -> Person:
    """Who is meant. Raises NotFound, WrongUsage, Unavailable."""
    if subscription is not None:
        async with stack.database() as connection:
            return await _owner(stack, connection, subscription)
    given = customer or ""
    provider_id, _, ref = given.partition("/")
    if ref:
        return await _named(stack, provider_id, ref)
    try:
        id = UUID(given)
    except ValueError:
        raise WrongUsage(f"'{given}' is neither a customer_id nor provider/customer_ref.") from None
    records = await _records(stack, id)
    if not records:
        raise NotFound(
            f"No contact of customer '{id}' is known. Whoever is not known yet is erased as "
            "provider/customer_ref."
        )
    return Person(id, _provider_of(records[-1]), records)


async def _owner(stack: Stack, connection: "asyncpg.Connection", given: str) -> Person:
    known = await find_subscription(connection, given)
    ids = [row["id"] for row in await connection.fetch(_OWNERS, known.id)]
    if not ids:
        raise NotFound(f"No order of '{given}' has come yet, so its customer is not known.")
    if len(ids) > 1:
        raise WrongUsage(
            f"'{given}' was ordered by several: say which of {', '.join(map(str, ids))}."
        )
    return Person(ids[0], known.provider_id, await _records(stack, ids[0]))


async def _named(stack: Stack, provider_id: str, ref: str) -> Person:
    from policies import load_policies

    policies = load_policies()
    if not policies.knows(provider_id):
        near = suggestion(provider_id, policies.packs)
        raise NotFound(f"There is no provider '{provider_id}'.{near}")
    id = customer_id(provider_id, ref)
    return Person(id, provider_id, await _records(stack, id))


async def _records(stack: Stack, id: UUID) -> tuple[ConsumerRecord, ...]:
    return tuple(await read_keys(stack, {CUSTOMERS_CONTACTS.name: str(id).encode()}))


def _provider_of(record: ConsumerRecord) -> str:
    message = understood(record.value)
    return message.providerid if message else headers_of(record)["ce_providerid"]


def _confirm(person: Person) -> None:
    """Raises WrongUsage where nobody can answer, OpsError when the answer is no."""
    who = f"customer {person.id} of {person.provider_id}"
    now = "" if person.has_contact else ", of whom no contact is known now,"
    if not confirmed(f"Erase name and address of {who}{now} for good?"):
        raise OpsError("Nothing was erased.")


async def _erase(stack: Stack, person: Person, operator: str, id: UUID | None) -> Erased:
    """Send the command and wait for its tombstone; a repetition finds the first one again."""
    command_id = str(id or uuid4())
    for record in person.records:
        if (earlier := _tombstone(record, person, command_id)) is not None:
            return earlier
    async with stack.database() as connection:
        now = await read_now(connection, virtual=stack.virtual)
    data = build(EraseCustomer, customer_id=person.id, operator=operator)
    message = envelope(person.id, person.provider_id, data, command_id, now)
    return await sent(
        stack, message, CUSTOMERS_CONTACTS, lambda record: _tombstone(record, person, command_id)
    )


def _tombstone(record: ConsumerRecord, person: Person, command_id: str) -> Erased | None:
    """What a record says when it is the tombstone that a command caused."""
    headers = headers_of(record)
    if record.value is not None or headers.get("ce_causationid") != command_id:
        return None
    return Erased(
        customer_id=str(person.id),
        provider_id=person.provider_id,
        command_id=command_id,
        event_id=headers["ce_id"],
        sequence=int(headers["ce_sequence"]),
        recorded_at=headers["ce_recordedat"],
    )
