"""What the three services store, read page by page from their published views in one snapshot."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from contracts.topics import SERVICES
from ledger.history import History
from ops.audit.dossier import Mail, Row
from services.billing.domain.facts import AnyFact

if TYPE_CHECKING:
    import asyncpg

_NTH = """
select subscription_id from billing.read_states
where subscription_id > $1 and ($3::uuid[] is null or subscription_id = any($3))
order by 1 limit 1 offset $2
"""
_PAGE = """
select * from {service}.read_states
where subscription_id > $1 and subscription_id <= $2
  and ($3::uuid[] is null or subscription_id = any($3))
"""
_MAILS = """
select subscription_id, notice_id, kind, status, outcome, message_id from notifications.read_mail
where subscription_id > $1 and subscription_id <= $2
  and ($3::uuid[] is null or subscription_id = any($3))
"""
_FACTS: TypeAdapter[tuple[AnyFact, ...]] = TypeAdapter(tuple[AnyFact, ...])
_HISTORY = TypeAdapter(History)


@dataclass(slots=True)
class State:
    """What is stored about one subscription, over all services."""

    provider_id: str = ""
    facts: tuple[AnyFact, ...] = ()
    history: History | None = None
    in_force: frozenset[str] = frozenset()
    rows: dict[str, Row] = field(default_factory=dict)
    mails: list[Mail] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


async def after(
    connection: "asyncpg.Connection", last: UUID, count: int, only: Collection[UUID] | None
) -> UUID | None:
    """The subscription that stands `count` places after `last`; None when there are fewer."""
    chosen = None if only is None else list(only)
    found: UUID | None = await connection.fetchval(_NTH, last, count - 1, chosen)
    return found


async def read_states(
    connection: "asyncpg.Connection", last: UUID, to: UUID, only: Collection[UUID] | None
) -> Mapping[UUID, State]:
    """The states of the subscriptions after one id up to another."""
    chosen = None if only is None else list(only)
    found: dict[UUID, State] = {}
    for service in SERVICES:
        for row in await connection.fetch(_PAGE.format(service=service), last, to, chosen):
            state = found.setdefault(row["subscription_id"], State())
            state.rows[service] = _row(row)
            if service == "billing":
                _billing(state, row)
            elif service == "licensing":
                _licensing(state, row)
    for row in await connection.fetch(_MAILS, last, to, chosen):
        state = found.setdefault(row["subscription_id"], State())
        state.mails.append(
            Mail(row["notice_id"], row["kind"], row["status"], row["outcome"], row["message_id"])
        )
    return found


def _row(row: "asyncpg.Record") -> Row:
    return Row(
        row["due_at"], row["waiting"], _numbers(row["positions"]), _numbers(row["sequences"])
    )


def _numbers(text: str) -> dict[str, int]:
    """The last number by topic; where a row waits, its positions also hold what it waits for."""
    return {topic: n for topic, n in json.loads(text).items() if isinstance(n, int)}


def _billing(state: State, row: "asyncpg.Record") -> None:
    state.provider_id = row["provider_id"] or ""
    state.facts = _typed(_FACTS, row["facts"], state, "billing's facts") or ()


def _licensing(state: State, row: "asyncpg.Record") -> None:
    state.provider_id = state.provider_id or row["provider_id"] or ""
    if row["history"] is not None and row["provider_id"]:
        state.history = _typed(_HISTORY, row["history"], state, "licensing's history")
    state.in_force = frozenset(json.loads(row["in_force"] or "[]"))


def _typed(type: TypeAdapter[Any], text: str | None, state: State, what: str) -> Any:
    if text is None:
        return None
    try:
        return type.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        state.unreadable.append(f"Of {what}, {place} cannot be read: {first['msg']}.")
        return None
