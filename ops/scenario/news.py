"""What was said since it was last expected: mails, events, requests, dead letters."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from contracts import notifications
from contracts.base import Data
from contracts.values import Money
from ops.scenario.expect import Expect, Told, Wanted
from ops.scenario.instants import parse
from ops.scenario.play import Play
from ops.scenario.values import amount_text, instant_text, on_text

_TOPICS = ("billing", "licensing", "notifications")
_REQUESTS = "payments.requests"
_NOTIFICATIONS = "notifications.events"


def news(play: Play, number: int, expect: Expect) -> None:
    """Compare everything said since it was last expected."""
    for topic in _TOPICS:
        told = getattr(expect.events, topic) if expect.events else None
        if told is not None:
            news = _since(play, f"{topic}.events", play.on(f"{topic}.events"))
            _compare(play, number, f"events.{topic}", told, news)
    if expect.requests is not None:
        _compare(
            play, number, "requests", expect.requests, _since(play, _REQUESTS, play.on(_REQUESTS))
        )
    if expect.mails is not None:
        accepted = [m for m in play.on(_NOTIFICATIONS) if isinstance(m, notifications.MailAccepted)]
        # Letters of one instant leave in any order.
        kinds = sorted(_since(play, "mails", accepted), key=lambda m: m.kind)
        mails = expect.mails
        if mails.exactly is not None:
            exactly = tuple(sorted(mails.exactly, key=lambda wanted: wanted.name))
            mails = mails.model_copy(update={"exactly": exactly})
        _compare(play, number, "mails", mails, kinds, name_of=lambda m: m.kind)
    if expect.dead_letters is not None:
        codes = [dead.code for dead in _since(play, "dead_letters", play.dead)]
        if codes != list(expect.dead_letters):
            wanted = ", ".join(expect.dead_letters) or "none"
            play.fail(number, "dead_letters", wanted, ", ".join(codes) or "none")


def _since(play: Play, name: str, everything: list[Any]) -> list[Any]:
    """What is new since the last look under this name."""
    before = play.marks.get(name, 0)
    play.marks[name] = len(everything)
    return everything[before:]


def _name(data: Data) -> str:
    return data.TYPE.split(".")[1]


def _compare(
    play: Play,
    number: int,
    what: str,
    told: Told,
    news: list[Any],
    name_of: Callable[[Any], str] = _name,
) -> None:
    found = ", ".join(name_of(data) for data in news) or "nothing"
    if told.exactly is not None:
        names = [name_of(data) for data in news]
        if names != [wanted.name for wanted in told.exactly]:
            listed = ", ".join(wanted.name for wanted in told.exactly) or "nothing"
            play.fail(number, what, listed, found)
            return
        for wanted, data in zip(told.exactly, news, strict=True):
            _compare_fields(play, number, f"{what}: {wanted.name}", wanted, [data])
    left = list(news)
    for wanted in told.includes:
        named = [data for data in left if name_of(data) == wanted.name]
        fits = [data for data in named if not _wrong(play, wanted, data)]
        if fits:
            left.remove(fits[0])
        elif named:
            _compare_fields(play, number, f"{what}: {wanted.name}", wanted, named)
        else:
            play.fail(number, what, f"among others {wanted.name}", found)
    for wanted in told.excludes:
        if any(name_of(d) == wanted.name and not _wrong(play, wanted, d) for d in news):
            play.fail(number, what, f"no {wanted.name}", found)


def _compare_fields(
    play: Play, number: int, what: str, wanted: Wanted, found: Sequence[Data]
) -> None:
    """Tell the wrong fields of the one that comes nearest."""
    nearest = min((_wrong(play, wanted, data) for data in found), key=len)
    for field, expected, value in nearest:
        play.fail(number, f"{what}.{field}", expected, value)


def _wrong(play: Play, wanted: Wanted, data: Data) -> list[tuple[str, str, str]]:
    """The fields that differ: name, expected, found."""
    found = []
    for field, expected in wanted.fields.items():
        value = getattr(data, field)
        if expected == "any" and value is not None:
            continue
        asked, given = _field(play, expected, value), _shown(value)
        if asked != given:
            found.append((field, asked, given))
    return found


def _shown(value: Any) -> str:
    """A field of a message as scenarios write it."""
    if isinstance(value, datetime):
        return instant_text(value)
    if isinstance(value, Money):
        return amount_text(value)
    if isinstance(value, bool):
        return on_text(value)
    return "none" if value is None else str(value)


def _field(play: Play, expected: Any, value: Any) -> str:
    """An expected field as text: instants, orders and amounts by the value that they are compared with."""
    if isinstance(expected, bool):
        return on_text(expected)
    if isinstance(value, datetime) and expected not in ("any", "none"):
        try:
            return instant_text(play.at(parse(expected)))
        except ValueError:
            return str(expected)
    if isinstance(value, str) and value.startswith(f"{play.reference}-"):
        return f"{play.reference}-{expected}"
    return str(expected)
