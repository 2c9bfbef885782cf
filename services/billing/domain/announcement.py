"""One thing to say: when, under which key, and what corrects it when it turns out otherwise."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from contracts.base import Data


@dataclass(frozen=True, slots=True)
class Announcement:
    """One thing to say when `at` has come; `messages` builds it, in order, only when it is said.

    `key` makes it said once. When `value` differs from what was said, `correction` builds what
    corrects it, from the old value and the id of the event that said it, if anything does.
    `corrects` names the keys of other announcements that this one corrects, if they were made;
    `displaces` those that it makes unsaid besides, so that what counts again is said again. Said
    before `at` has come, it was said too early: then `goes_on` builds what is true until then, and
    it is said again when it comes.
    """

    key: str
    at: datetime
    messages: Callable[[], tuple[Data, ...]]
    value: str = ""
    correction: Callable[[str, UUID], Data | None] | None = None
    goes_on: Callable[[UUID], Data] | None = None
    corrects: tuple[str, ...] = ()
    displaces: tuple[str, ...] = ()
