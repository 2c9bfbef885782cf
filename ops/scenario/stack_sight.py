"""What billing and licensing know on the live stack, by their published read views."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic import TypeAdapter

from ledger.history import History
from ops.scenario.play import Play
from ops.scenario.sight import Sight
from services.billing.domain.facts import AnyFact, canonical
from services.billing.domain.subscription import Subscription

if TYPE_CHECKING:
    import asyncpg

_FACTS = "select subscription_id, data from billing.read_facts where subscription_id = any($1)"
_HISTORIES = (
    "select subscription_id, history from licensing.read_licenses where subscription_id = any($1)"
)
_FACT: TypeAdapter[AnyFact] = TypeAdapter(AnyFact)
_HISTORY = TypeAdapter(History)
#: The view leaves the digests out; nothing that is expected depends on them.
_DIGESTS = {"name_digest": "", "email_digest": ""}


async def sights(
    connection: "asyncpg.Connection", plays: Sequence[Play], now: datetime
) -> dict[UUID, Sight]:
    """Where the subscriptions of some plays stand."""
    ids = [play.id for play in plays]
    facts: dict[UUID, list[AnyFact]] = {id: [] for id in ids}
    for row in await connection.fetch(_FACTS, ids):
        facts[row["subscription_id"]].append(_fact(json.loads(row["data"])))
    histories = {
        row["subscription_id"]: _HISTORY.validate_json(row["history"])
        for row in await connection.fetch(_HISTORIES, ids)
        if row["history"]
    }
    return {play.id: _sight(play, facts[play.id], histories.get(play.id), now) for play in plays}


def _fact(raw: dict[str, Any]) -> AnyFact:
    complete = {**raw, **_DIGESTS} if raw["fact"] == "ordered" else raw
    return _FACT.validate_json(json.dumps(complete))


def _sight(play: Play, facts: list[AnyFact], history: History | None, now: datetime) -> Sight:
    provider = play.scenario.provider
    subscription = Subscription(
        subscription_id=play.id,
        provider_id=provider if facts else "",
        reference=play.reference if facts else "",
        facts=tuple(sorted(facts, key=canonical)),
    )
    return Sight(subscription, history or History(), provider, play.file.policies, now)
