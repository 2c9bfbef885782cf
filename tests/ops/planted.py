"""Corruptions of a system at rest: by SQL in its database, by records on its topics."""

import json
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Self
from uuid import UUID, uuid4

import asyncpg

from contracts import billing, licensing, notifications
from contracts.base import Data
from contracts.catalogue import ENVELOPES
from contracts.envelope import OWN_SOURCE
from contracts.licensing import Capabilities
from contracts.topics import TOPIC_OF
from ledger.access import ALL, NONE
from ops.audit.dossier import Dossier
from ops.sending import sender
from tests.support.worker_stack import WorkerStack

_TABLES = {
    "billing": "billing.subscription",
    "licensing": "licensing.license",
    "notifications": "notifications.correspondence",
}


@dataclass
class Saboteur:
    """Spoils one stack on which nothing runs; `async with Saboteur(stack)`."""

    stack: WorkerStack
    _opened: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def __aenter__(self) -> Self:
        self._connection: asyncpg.Connection[Any] = await self._opened.enter_async_context(
            self.stack.connect()
        )
        self._sender = await self._opened.enter_async_context(sender(self.stack.ops))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._opened.aclose()

    async def sql(self, statement: str, *arguments: object) -> None:
        """Run a statement; it must change something."""
        done = await self._connection.execute(statement, *arguments)
        assert not done.endswith(" 0"), statement

    async def change(
        self, service: str, id: UUID, spoil: Callable[[dict[str, Any]], object]
    ) -> None:
        """Change the stored state of a subscription in one service."""
        table = _TABLES[service]
        text = await self._connection.fetchval(f"select body from {table} where id = $1", id)
        body = json.loads(text)
        spoil(body)
        await self.sql(f"update {table} set body = $2 where id = $1", id, json.dumps(body))

    async def say(self, dossier: Dossier, data: Data, **head: Any) -> str:
        """Let a service tell something, numbered as its next message; returns its id."""
        topic = TOPIC_OF[data.TYPE]
        table, id = _TABLES[topic.writer], str(uuid4())
        number = await self._connection.fetchval(
            f"update {table} set sequences = jsonb_set(sequences::jsonb, array[$2],"
            f" to_jsonb(coalesce((sequences ->> $2)::int, 0) + 1))::json"
            f" where id = $1 returning (sequences ->> $2)::int",
            dossier.subscription_id,
            topic.name,
        )
        given = {"time": dossier.now, "causationid": str(uuid4()), **head}
        message = ENVELOPES[data.TYPE](
            specversion="1.0",
            id=id,
            source=f"{OWN_SOURCE}{topic.writer}",
            type=data.TYPE,
            subject=str(dossier.subscription_id),
            providerid=dossier.provider_id,
            sequence=number,
            data=data,
            **given,
        )
        key = message.subject.encode()
        await self._sender.send(topic.name, key, message.to_json(), ())
        for reader in topic.readers:
            if reader in _TABLES:
                await self._connection.execute(
                    f"update {_TABLES[reader]} set positions = jsonb_set(positions::jsonb,"
                    f" array[$2], to_jsonb($3::int))::json where id = $1",
                    dossier.subscription_id,
                    topic.name,
                    number,
                )
        return id

    async def announce(self, dossier: Dossier, event_id: str) -> None:
        """Let an event of licensing stand."""

        def stand(body: dict[str, Any]) -> None:
            body["said"].append({"key": f"planted {event_id}", "event_id": event_id})

        await self.change("licensing", dossier.subscription_id, stand)

    async def entitle(self, dossier: Dossier, at: datetime, *, full: bool) -> None:
        """Let licensing announce that everything works from an instant, or nothing."""
        event = licensing.EntitlementRestored if full else licensing.EntitlementSuspended
        given: Capabilities = ALL if full else NONE
        data = event(
            effective_at=at,
            derived_at=dossier.now,
            policy_version=policy_version(dossier),
            fact_id=uuid4(),
            state="active" if full else "suspended",
            capabilities=given,
            as_of=dossier.now,
        )
        await self.announce(dossier, await self.say(dossier, data))


Plant = Callable[[Saboteur, Dossier], Awaitable[None]]


def policy_version(dossier: Dossier) -> str:
    assert dossier.history is not None
    return dossier.history.periods[0].policy_version


def last(dossier: Dossier, kind: type[Data]) -> Any:
    """The latest message of billing of a type."""
    return [m for m in dossier.billing if isinstance(m.data, kind)][-1].data


def moved(text: str, by: timedelta) -> str:
    return (datetime.fromisoformat(text) + by).isoformat().replace("+00:00", "Z")


DAY = timedelta(days=1)


async def access_without_cause(by: Saboteur, of: Dossier) -> None:
    await by.entitle(of, of.now - DAY, full=True)


async def paid_but_suspended(by: Saboteur, of: Dossier) -> None:
    await by.entitle(of, of.now - DAY, full=False)


async def overlapping_periods(by: Saboteur, of: Dossier) -> None:
    def spoil(body: dict[str, Any]) -> None:
        second = body["history"]["periods"][1]
        second["start"] = moved(second["start"], -30 * DAY)
        second["paid_at"] = moved(second["paid_at"], -30 * DAY)

    await by.change("licensing", of.subscription_id, spoil)


async def upcoming_after_a_gap(by: Saboteur, of: Dossier) -> None:
    def spoil(body: dict[str, Any]) -> None:
        upcoming = body["history"]["periods"][-1]
        upcoming["start"] = moved(upcoming["start"], 3 * DAY)

    await by.change("licensing", of.subscription_id, spoil)


async def second_charge(by: Saboteur, of: Dossier) -> None:
    first = last(of, billing.RenewalChargeRequested)
    await by.say(of, first.model_copy(update={"charge_id": uuid4(), "fact_id": uuid4()}))


async def cancellation_before_the_paid_end(by: Saboteur, of: Dossier) -> None:
    fact = uuid4()
    data = billing.CancellationScheduled(
        fact_id=fact,
        effective_at=of.now - DAY,
        cancellation_id=fact,
        cancel_at=of.now + DAY,
        channel="account",
    )
    await by.say(of, data)


async def longer_without_pause(by: Saboteur, of: Dossier) -> None:
    def spoil(body: dict[str, Any]) -> None:
        current = body["history"]["periods"][-1]
        current["end"] = moved(current["end"], 5 * DAY)

    await by.change("licensing", of.subscription_id, spoil)


async def second_mail(by: Saboteur, of: Dossier) -> None:
    first = next(m.data for m in of.notifications if isinstance(m.data, notifications.MailAccepted))
    await by.say(of, first.model_copy(update={"notice_id": uuid4()}))


def _swap(body: dict[str, Any], one: str, other: str) -> None:
    facts = body["facts"]
    names = [fact["fact"] for fact in facts]
    i, k = names.index(one), names.index(other)
    facts[i], facts[k] = facts[k], facts[i]


async def cancel_and_refund_swapped(by: Saboteur, of: Dossier) -> None:
    await by.change(
        "billing", of.subscription_id, lambda body: _swap(body, "canceled", "case-approved")
    )


async def facts_swapped(by: Saboteur, of: Dossier) -> None:
    await by.change("billing", of.subscription_id, lambda body: _swap(body, "ordered", "paid"))


async def announced_when_the_timer_fired(by: Saboteur, of: Dossier) -> None:
    """The end of access, told as of when a late timer saw it instead of its anchor."""
    true = [m for m in of.licensing if isinstance(m.data, licensing.EntitlementEnded)][-1]
    late = true.data.model_copy(update={"effective_at": true.data.effective_at + 3 * DAY})  # type: ignore[attr-defined]
    event_id = await by.say(of, late)

    def spoil(body: dict[str, Any]) -> None:
        for said in body["said"]:
            if said["event_id"] == true.id:
                said["event_id"] = event_id

    await by.change("licensing", of.subscription_id, spoil)


async def grace_after_a_refund(by: Saboteur, of: Dossier) -> None:
    revoked = last(of, billing.PeriodRevoked)
    data = licensing.GraceStarted(
        effective_at=revoked.effective_at,
        derived_at=of.now,
        policy_version=policy_version(of),
        fact_id=revoked.fact_id,
        period_id=revoked.period_id,
        ends_at=of.now,
    )
    await by.announce(of, await by.say(of, data))


async def another_price(by: Saboteur, of: Dossier) -> None:
    def spoil(body: dict[str, Any]) -> None:
        body["history"]["periods"][0]["amount"]["minor"] += 1

    await by.change("licensing", of.subscription_id, spoil)


async def stale_cache(by: Saboteur, of: Dossier) -> None:
    assert of.entitlement is not None
    await by.say(of, of.entitlement.model_copy(update={"state": "expired"}))


async def lost_message(by: Saboteur, of: Dossier) -> None:
    await by.sql(
        "update notifications.correspondence set sequences = jsonb_set(sequences::jsonb,"
        " '{notifications.events}', '99')::json where id = $1",
        of.subscription_id,
    )
    await by.sql(
        "update billing.subscription set positions = jsonb_set(positions::jsonb,"
        " '{notifications.events}', '99')::json where id = $1",
        of.subscription_id,
    )


async def forgotten_payment(by: Saboteur, of: Dossier) -> None:
    def spoil(body: dict[str, Any]) -> None:
        body["facts"] = [fact for fact in body["facts"] if fact["fact"] != "paid"]

    await by.change("billing", of.subscription_id, spoil)


async def payment_told_twice(by: Saboteur, of: Dossier) -> None:
    await by.say(of, last(of, billing.PaymentSucceeded))


async def spoilt_fact(by: Saboteur, of: Dossier) -> None:
    def spoil(body: dict[str, Any]) -> None:
        body["facts"][0]["at"] = "tomorrow"

    await by.change("billing", of.subscription_id, spoil)


async def overdue(by: Saboteur, of: Dossier) -> None:
    await by.sql(
        "update licensing.license set due_at = $2 where id = $1", of.subscription_id, of.now - DAY
    )


async def mail_ended_otherwise(by: Saboteur, of: Dossier) -> None:
    await by.sql(
        "update notifications.mail set outcome = 'refused' where notice_id = $1",
        of.mails[0].notice_id,
    )


async def dead_letter(by: Saboteur) -> None:
    """A message that notifications could not process waits for an operator."""
    await by.sql(
        "update notifications.inbox set status = 'parked'"
        " where ctid = (select ctid from notifications.inbox limit 1)"
    )
