"""Commands to billing: publish, wait for the event that answers, show it.

A repetition with the same `--id` finds the first answer again, because billing keeps it.
"""

import asyncio
import json as jsonlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from uuid import UUID, uuid4

from aiokafka import ConsumerRecord
from cyclopts import Parameter
from pydantic import BaseModel, ValidationError

from contracts.base import Data
from contracts.billing import CommandRefused, RefundEvent
from contracts.catalogue import ENVELOPES, MESSAGES
from contracts.envelope import OWN_SOURCE, Envelope
from contracts.topics import BILLING_COMMANDS, BILLING_EVENTS, Topic
from ops.broker import FETCH_WAIT_MS, Broker, home_of
from ops.connection import Stack, find_stack
from ops.errors import OpsError, TryAgain, WrongUsage
from ops.phrases import phrase, short_type
from ops.sending import message_headers, sender
from ops.subscriptions import Known, find_in_stack
from ops.tail_lines import understood
from ops.terminal import console, emit, safe
from ops.work import read_now

if TYPE_CHECKING:
    import asyncpg

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")
SOURCE = f"{OWN_SOURCE}ops"
WAIT_S = 10.0
_ANSWER = """
select command_id, subscription_id, event_id, type, data, answered_at
from billing.read_command_answers where command_id = $1
"""

SubscriptionName = Annotated[str, Parameter(help="Its id, R-1001, or online-store/R-1001.")]
CommandId = Annotated[
    UUID | None, Parameter(name="--id", help="The same id asks for the same answer again.")
]
AsJson = Annotated[bool, Parameter(name="--json", help="The answer as one JSON object.")]


@dataclass(frozen=True)
class Answer:
    """What billing said to a command."""

    command_id: str
    subscription_id: str
    event_id: str
    type: str
    data: dict[str, Any]

    @property
    def event(self) -> Data:
        """The answering event's data."""
        return MESSAGES[self.type].model_validate_json(jsonlib.dumps(self.data))


def build(kind: type[M], **fields: object) -> M:
    """A command's data. Raises WrongUsage naming the option that is wrong."""
    try:
        return kind(**fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        option = str(first["loc"][-1]).replace("_", "-")
        raise WrongUsage(f"--{option}: {first['msg']}.") from None


def show(answer: Answer, *, as_json: bool, no: type[Data] = CommandRefused) -> None:
    """Print the answer. Raises OpsError with code and sentence when it is a refusal or a `no`."""
    event = answer.event
    words = ": ".join(filter(None, (short_type(answer.type), phrase(event))))
    if as_json:
        emit(vars(answer))
    if isinstance(event, (CommandRefused, no)):
        raise OpsError(words)
    if not as_json:
        # The case whole, to be copied.
        case = f"\ncase {event.case_id}" if isinstance(event, RefundEvent) else ""
        console().print(safe(words + case))


async def ask_for(name: str, data: Data, id: UUID | None) -> Answer:
    """Ask about one subscription, by its id or reference. Raises as `ask` does, and NotFound."""
    stack = find_stack()
    return await ask(stack, await find_in_stack(stack, name), data, id)


async def ask(stack: Stack, known: Known, data: Data, id: UUID | None = None) -> Answer:
    """Send one command and wait up to ten seconds for billing's answer.

    Raises TryAgain naming the id when there is none, Unavailable when a part does not answer.
    """
    command_id = str(id or uuid4())
    async with stack.database() as connection:
        if id is not None and (answer := await kept(connection, command_id)):
            return answer
        now = await read_now(connection, virtual=stack.virtual)
        message = envelope(known.id, known.provider_id, data, command_id, now)
        return await _answered(stack, connection, message)


def envelope(subject: UUID, provider_id: str, data: Data, id: str, now: datetime) -> Envelope:
    """The command as a message about a subscription, or a customer who is to be erased."""
    return ENVELOPES[data.TYPE](
        specversion="1.0",
        id=id,
        source=SOURCE,
        type=data.TYPE,
        subject=str(subject),
        time=now,
        recordedat=datetime.now(UTC),
        providerid=provider_id,
        correlationid=id,
        data=data,
    )


async def _answered(stack: Stack, connection: "asyncpg.Connection", message: Envelope) -> Answer:
    def told(record: ConsumerRecord) -> Envelope | None:
        event = understood(record.value)
        return event if event is not None and event.causationid == message.id else None

    event = await sent(stack, message, BILLING_EVENTS, told)
    # What billing keeps for repetitions is also what the first asking shows.
    return await kept(connection, message.id) or _told(event, message.id)


async def sent(
    stack: Stack, message: Envelope, topic: Topic, read: Callable[[ConsumerRecord], T | None]
) -> T:
    """Send a command; what `read` makes of the first new record of `topic` that it understands.

    Raises TryAgain naming the id after ten seconds, Unavailable when a part does not answer.
    """
    key = message.subject.encode()
    async with Broker(stack) as broker, sender(stack) as to:
        home = home_of(key, await broker.partitions([stack.topic(topic.name)]))
        end = (await broker.ends([home]))[home]
        broker.consumer.assign([home])
        broker.consumer.seek(home, end)
        await to.send(BILLING_COMMANDS.name, key, message.to_json(), message_headers(message))
        try:
            return await asyncio.wait_for(_first(broker, read), WAIT_S)
        except TimeoutError:
            raise TryAgain(
                f"No answer within {WAIT_S:g} s. The command is on its way: repeat it with "
                f"--id {message.id} to see its answer."
            ) from None


async def _first(broker: Broker, read: Callable[[ConsumerRecord], T | None]) -> T:
    while True:
        batch = await broker.consumer.getmany(timeout_ms=FETCH_WAIT_MS)
        for records in batch.values():
            for record in records:
                if (found := read(record)) is not None:
                    return found


async def kept(connection: "asyncpg.Connection", command_id: str) -> Answer | None:
    """The answer that billing keeps to a command; None when there is none yet."""
    row = await connection.fetchrow(_ANSWER, command_id)
    if row is None:
        return None
    ids = (row["command_id"], str(row["subscription_id"]), str(row["event_id"]))
    return Answer(*ids, row["type"], jsonlib.loads(row["data"]))


def _told(event: Envelope, command_id: str) -> Answer:
    data = event.data.model_dump(mode="json", exclude_none=True)
    return Answer(command_id, event.subject, event.id, event.type, data)
