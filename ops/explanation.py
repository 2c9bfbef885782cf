"""Why access is what it is: the answer of the ledger, with the messages that told each fact behind it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from contracts.billing import BillingEvent
from ledger.access import Access
from ledger.reasons import Cause
from ops.access import to_json
from ops.access_view import SENTENCES
from ops.standing import Standing
from ops.timeline import Entry, Life


@dataclass(frozen=True)
class Explanation:
    """The access of a life, and where on the topics its causes are."""

    life: Life

    @property
    def access(self) -> Access | None:
        """The access that is explained; None before anything was paid."""
        return self.life.access

    @property
    def standing(self) -> Standing:
        """Whose access it is, and as of when."""
        return self.life.standing

    def events(self, cause: Cause) -> Sequence[Entry]:
        """The message that is the fact, and what billing told of it then; none out of retention."""
        return [entry for entry in self.life.entries if _tells(entry, cause)]

    def to_json(self) -> dict[str, Any]:
        """The explanation as plain data; without a `state` nothing was paid by then."""
        standing, access = self.standing, self.access
        plain = to_json(standing.known, standing.now, access)
        if access is None:
            return plain
        return {
            **plain,
            "rules": [{"rule": rule, "sentence": SENTENCES[rule]} for rule in access.rules],
            "causes": [
                {**told, "events": [_place(entry) for entry in self.events(cause)]}
                for told, cause in zip(plain["causes"], access.causes, strict=True)
            ],
        }


def _tells(entry: Entry, cause: Cause) -> bool:
    if entry.message.cause_id == cause.fact_id:
        return True
    data = entry.message.data
    return isinstance(data, BillingEvent) and data.fact_id == cause.fact_id and entry.at == cause.at


def _place(entry: Entry) -> dict[str, Any]:
    return {
        "at": entry.at,
        "topic": entry.topic,
        "type": entry.message.type,
        "id": entry.message.id,
    }
