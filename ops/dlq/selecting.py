"""Which dead letters an operator means: by their ids, or all that have something in common."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from cyclopts import Parameter

from contracts.topics import SERVICES, TOPICS
from contracts.values import subscription_id
from ops.connection import Stack
from ops.dead_letters import DeadLetter, attempts_told, pick, waiting
from ops.dlq.content import parsed, text_field
from ops.errors import NotFound, OpsError
from ops.instants import since as parse_since
from ops.subscriptions import find_in_stack
from ops.terminal import say, suggestion


@dataclass(frozen=True)
class Selection:
    """What dead letters have in common; every option that is given must hold."""

    code: Annotated[str | None, Parameter(help="Only this code.")] = None
    service: Annotated[str | None, Parameter(help=", ".join(SERVICES))] = None
    origin: Annotated[str | None, Parameter(help="The topic where the message was.")] = None
    since: Annotated[str | None, Parameter(help="2h, or an instant (broker's time).")] = None
    until: Annotated[str | None, Parameter(help="Before then.")] = None
    subscription: Annotated[
        str | None, Parameter(help="Its id, R-1001, or online-store/R-1001.")
    ] = None

    def check(self) -> None:
        """Raises NotFound for a service or topic that there is none of, WrongUsage for no instant."""
        _known("service", self.service, SERVICES)
        _known("topic", self.origin, TOPIC_NAMES)
        _instant(self.since)
        _instant(self.until)


EVERYTHING = Selection()
TOPIC_NAMES = tuple(topic.name for topic in TOPICS)


async def chosen(stack: Stack, ids: Sequence[str], which: Selection) -> list[DeadLetter]:
    """The waiting dead letters that are meant, oldest first; without ids all that `which` selects.

    Ids whose letter is settled are skipped with a word on stderr. Raises NotFound, WrongUsage.
    """
    which.check()
    letters = await waiting(stack)
    found = await _picked(stack, letters, ids) if ids else list(letters.values())
    return await _matching(stack, found, which)


async def _picked(
    stack: Stack, letters: Mapping[str, DeadLetter], ids: Sequence[str]
) -> list[DeadLetter]:
    found: dict[str, DeadLetter] = {}
    settled: set[str] | None = None
    for id in ids:
        try:
            letter = pick(letters, id)
        except NotFound:
            if settled is None:
                told = await attempts_told(stack, SERVICES)
                settled = {
                    name
                    for each in told.values()
                    for name in (str(each[-1].origin), each[-1].message_id)
                    if name
                }
            if not any(id in (name, name.partition(":")[2]) for name in settled):
                raise
            say(f"{id} waits no more: it is skipped.")
        else:
            found[str(letter.origin)] = letter
    return sorted(found.values(), key=lambda each: each.at)


async def _matching(stack: Stack, letters: list[DeadLetter], which: Selection) -> list[DeadLetter]:
    begin, end = _instant(which.since), _instant(which.until)
    names = await _names(stack, which.subscription) if which.subscription else None
    return [
        letter
        for letter in letters
        if which.code in (None, letter.code)
        and which.service in (None, letter.origin.service)
        and which.origin in (None, letter.origin.topic)
        and (begin is None or letter.at >= begin)
        and (end is None or letter.at < end)
        and (names is None or not names.isdisjoint(_subjects(letter)))
    ]


def _instant(text: str | None) -> datetime | None:
    return parse_since(text, datetime.now(UTC)) if text else None


def _known(kind: str, given: str | None, known: Sequence[str]) -> None:
    if given is not None and given not in known:
        raise NotFound(f"There is no {kind} '{given}'.{suggestion(given, known)}")


async def _names(stack: Stack, given: str) -> set[str]:
    """Under which keys messages about a subscription travel, also when its order is a dead letter."""
    provider, _, reference = given.partition("/")
    names = {given, reference, str(subscription_id(provider, reference))} if reference else {given}
    try:
        known = await find_in_stack(stack, given)
    except OpsError:
        return names
    return names | {str(known.id), known.reference}


def _subjects(letter: DeadLetter) -> set[str]:
    """The key that the message had, and the subject that it names."""
    return {letter.subject, text_field(parsed(letter.value), "subject")} - {""}
