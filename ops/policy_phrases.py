"""How a kind of field (a duration, a choice, a list, a value) says what it is and what a change of it does."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any


@dataclass(frozen=True)
class Words:
    """The words of one field: its label, what a value means, and what changes from one to another."""

    label: str
    says: Callable[[Any], str]
    changes: Callable[[Any, Any], str]


def span(time: timedelta) -> str:
    """A duration in words: `7 days`, `1 day 2 hours`, `no time`."""
    hours, minutes = divmod(time.seconds // 60, 60)
    parts = {"day": time.days, "hour": hours, "minute": minutes, "second": time.seconds % 60}
    said = [f"{n} {unit}{'' if n == 1 else 's'}" for unit, n in parts.items() if n]
    return " ".join(said) or "no time"


def both(old: timedelta, new: timedelta) -> str:
    """`14 days instead of 7`."""
    in_days = old and new and not old.seconds and not new.seconds
    return f"{span(new)} instead of {old.days if in_days else span(old)}"


def value(label: str, says: str, changes: str, shown: Callable[[Any], str] = str) -> Words:
    """A field of any value: `{}` in `says` is it, `{}` in `changes` is `new instead of old`."""
    return Words(
        label,
        lambda it: says.format(shown(it)),
        lambda old, new: changes.format(f"{shown(new)} instead of {shown(old)}"),
    )


def duration(
    label: str, says: str, none: str, *, changes: str, gained: str = "", lost: str = ""
) -> Words:
    """A duration; `none`, `gained` and `lost` are for no time at all, now, before and from now on."""

    def sentence(old: timedelta | None, new: timedelta | None) -> str:
        if new and old:
            return changes.format(both(old, new))
        return gained.format(span(new)) if new else lost

    return Words(label, lambda it: says.format(span(it)) if it else none, sentence)


def choice(label: str, says: Mapping[Any, str], changes: Mapping[Any, str]) -> Words:
    """One of a few values; what a change does is known by the new one."""
    return Words(label, says.__getitem__, lambda _, new: changes[new])


def some(
    label: str,
    names: Mapping[str, str],
    *,
    says: str,
    none: str = "",
    also: str,
    no_longer: str,
    begun: str = "",
    emptied: str = "",
    first: str = "",
) -> Words:
    """Any of a few values; `first` is for lists whose first value is the usual one."""

    def sentence(old: Sequence[str], new: Sequence[str]) -> str:
        if not new or not old:
            return begun.format(_listed(names, new)) if new else emptied
        more, less = ([each for each in a if each not in b] for a, b in ((new, old), (old, new)))
        said = [
            words.format(_listed(names, values))
            for words, values in ((also, more), (no_longer, less))
            if values
        ]
        if said:
            return "; ".join([said[0], *(part[0].lower() + part[1:] for part in said[1:])])
        if first and new[0] != old[0]:
            return first.format(names[new[0]], names[old[0]])
        return f"{label}: listed in another order, which changes nothing"

    return Words(label, lambda it: says.format(_listed(names, it)) if it else none, sentence)


def _listed(names: Mapping[str, str], values: Sequence[str]) -> str:
    said = [names[each] for each in values]
    return " and ".join([", ".join(said[:-1]), said[-1]] if len(said) > 1 else said)
