"""`tenure tail`: several topics as one stream, in the order in which the broker took the records."""

from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

from aiokafka import ConsumerRecord
from cyclopts import Parameter

from contracts.topics import TOPICS
from ops.conditions import parse_conditions
from ops.connection import Stack, find_stack
from ops.errors import NotFound, WrongUsage
from ops.instants import since as since_instant
from ops.subscriptions import find_in_stack
from ops.tail_lines import as_json, line
from ops.tail_stream import Wanted, stream
from ops.terminal import console, emit, run, suggestion

_NAMES = tuple(topic.name for topic in TOPICS)


def tail(
    topics: Annotated[tuple[str, ...], Parameter(help="Topics; all when none is named.")] = (),
    /,
    *,
    subscription: Annotated[str | None, Parameter(help="Id or provider's reference.")] = None,
    where: Annotated[
        tuple[str, ...],
        Parameter(
            negative="",
            help="FIELD=VALUE or FIELD!=VALUE: type, subject, providerid and other fields of the"
            " envelope, data.order_id, headers.dlq-code. * in VALUE stands for anything. Several"
            " must all hold.",
        ),
    ] = (),
    since: Annotated[
        str | None, Parameter(help="15m ago, or an instant, by the broker's clock.")
    ] = None,
    until: Annotated[
        str | None, Parameter(help="Before then: 5m ago, or an instant; nothing is followed.")
    ] = None,
    follow: Annotated[
        bool | None, Parameter(help="Go on with what comes, unless --until is given.")
    ] = None,
    limit: Annotated[int | None, Parameter(help="End after this many; newest of the past.")] = None,
    unmasked: Annotated[bool, Parameter(help="Show names and addresses.")] = False,
    json: Annotated[bool, Parameter(help="One JSON object per line.")] = False,
) -> None:
    """Show records of topics as they come, or the past ones with --since, --until or --no-follow."""
    begin, end = _range(since, until, follow)
    wanted = Wanted(
        topics=_checked_topics(topics),
        where=parse_conditions(where, unmasked=unmasked),
        since=begin,
        until=end,
        follow=end is None and follow is not False,
        limit=limit,
    )
    stack = find_stack()
    out = console()

    def show(record: ConsumerRecord) -> None:
        topic = stack.plain_topic(record.topic)
        if json:
            emit(as_json(record, topic, unmasked=unmasked))
        else:
            out.print(line(record, topic, unmasked=unmasked), soft_wrap=True)

    run(_tail(stack, wanted, subscription, show))


def _checked_topics(given: Sequence[str]) -> tuple[str, ...]:
    for name in given:
        if name not in _NAMES:
            raise NotFound(f"There is no topic '{name}'.{suggestion(name, _NAMES)}")
    return tuple(given) or _NAMES


def _range(
    since: str | None, until: str | None, follow: bool | None
) -> tuple[datetime | None, datetime | None]:
    """When what is shown begins and ends. Raises WrongUsage."""
    now = datetime.now(UTC)
    begin = since_instant(since, now) if since else None
    end = since_instant(until, now) if until else None
    if end and follow:
        raise WrongUsage("--until ends what is shown, so nothing is followed: leave one out.")
    if begin and end and begin >= end:
        raise WrongUsage(f"--since {since} is not before --until {until}.")
    return begin, end


async def _tail(
    stack: Stack, wanted: Wanted, subscription: str | None, show: Callable[[ConsumerRecord], None]
) -> None:
    if subscription is not None:
        known = await find_in_stack(stack, subscription)
        keys = frozenset((str(known.id).encode(), known.reference.encode()))
        wanted = replace(wanted, keys=keys)
    shown = 0
    async with aclosing(stream(stack, wanted)) as records:
        async for record in records:
            show(record)
            shown += 1
            if wanted.limit is not None and shown >= wanted.limit:
                return
