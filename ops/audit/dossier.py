"""Everything that is known of one subscription at one instant: what is stored, and what was published."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from uuid import UUID

from contracts.envelope import Envelope
from contracts.licensing import Entitlement
from contracts.policy import Policies, ProviderPolicy
from contracts.topics import (
    BILLING_EVENTS,
    LICENSING_ENTITLEMENTS,
    LICENSING_EVENTS,
    NOTIFICATIONS_EVENTS,
    PAYMENTS_REQUESTS,
    SERVICES,
)
from ledger.history import History
from ledger.stage import Stage
from ledger.timeline import timeline
from services.billing.domain.facts import AnyFact
from services.billing.domain.fold import standing
from services.billing.domain.standing import Standing
from services.billing.domain.subscription import Subscription

#: What is decided at one standing instant is stamped some microseconds apart, so a bit ahead of it.
TICKS = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Row:
    """How far one service is with one subscription: the last numbers that it read and told, by topic."""

    due_at: datetime | None = None
    waiting: bool = False
    positions: Mapping[str, int] = field(default_factory=dict)
    sequences: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Mail:
    """One row of the mail ledger."""

    notice_id: UUID
    kind: str
    status: str
    outcome: str | None
    message_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Dossier:
    """One subscription: states as stored, messages as published, each list in order and without repetitions.

    Messages that were told after the states were read are left out.
    """

    subscription_id: UUID
    now: datetime
    policies: Policies
    provider_id: str = ""
    #: Billing's facts, in the order in which they are stored.
    facts: tuple[AnyFact, ...] = ()
    #: Licensing's history, None when it keeps nothing of this subscription.
    history: History | None = None
    #: The events of licensing that were not overtaken by a later one.
    in_force: frozenset[str] = frozenset()
    rows: Mapping[str, Row] = field(default_factory=dict)
    mails: tuple[Mail, ...] = ()
    upstream: tuple[Envelope, ...] = ()
    requests: tuple[Envelope, ...] = ()
    billing: tuple[Envelope, ...] = ()
    licensing: tuple[Envelope, ...] = ()
    notifications: tuple[Envelope, ...] = ()
    #: The newest entitlement in anyone's cache.
    cached: Envelope | None = None
    #: Copies of each mail that the mail server holds, by Message-ID; None when nobody looked.
    copies: Mapping[str, int] | None = None
    #: What is stored or published in a form that cannot be read, one sentence each.
    unreadable: tuple[str, ...] = ()

    def policy(self, version: str) -> ProviderPolicy:
        """The stamped policy version of the provider. Raises UnknownPolicy."""
        return self.policies.stamped(self.provider_id, version)

    def row(self, service: str) -> Row:
        """How far a service is; one that knows nothing has read and told nothing."""
        return self.rows.get(service, Row())

    @property
    def entitlement(self) -> Entitlement | None:
        """What anyone may cache."""
        data = self.cached.data if self.cached else None
        return data if isinstance(data, Entitlement) else None

    @property
    def told(self) -> Mapping[str, tuple[Envelope, ...]]:
        """Our own numbered messages by topic."""
        return {
            BILLING_EVENTS.name: self.billing,
            PAYMENTS_REQUESTS.name: self.requests,
            LICENSING_EVENTS.name: self.licensing,
            NOTIFICATIONS_EVENTS.name: self.notifications,
        }

    @property
    def complete(self) -> bool:
        """Whether the life as billing told it is on the topic from its first message: none is out of retention."""
        return bool(self.billing) and self.billing[0].sequence == 1

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        """The timeline that follows from licensing's history."""
        return timeline(self.history, self.policy) if self.history else ()

    @cached_property
    def known(self) -> Standing:
        """What follows from billing's facts, as far as they are told."""
        state = Subscription(
            subscription_id=self.subscription_id,
            provider_id=self.provider_id,
            facts=self.told_facts,
        )
        return standing(state, self.policies)

    @property
    def told_facts(self) -> tuple[AnyFact, ...]:
        """Billing's facts without those whose instant is still to come: they are not told yet."""
        return tuple(fact for fact in self.facts if fact.at <= self.now + TICKS)

    @property
    def ticking(self) -> bool:
        """Whether the clock stands so still that the latest facts lie ticks ahead of it."""
        return any(self.now < fact.at for fact in self.told_facts)

    def moving(self) -> tuple[str, ...]:
        """What the services still have to do with it, one clause each; none: it is at rest."""
        return (*self._due(), *self._unread(), *self._unpublished())

    def _due(self) -> Iterator[str]:
        for service, row in self.rows.items():
            if row.waiting:
                yield f"{service} holds messages back"
            elif row.due_at and row.due_at <= self.now:
                yield f"{service} is due since {row.due_at:%Y-%m-%d %H:%M:%S}"

    def _unread(self) -> Iterator[str]:
        for topic, writer, readers in _READS:
            told = self.row(writer).sequences.get(topic, 0)
            for reader in readers:
                read = self.row(reader).positions.get(topic, 0)
                if read < told:
                    yield f"{reader} has read {topic} to {read} of {told}"

    def _unpublished(self) -> Iterator[str]:
        for topic, messages in self.told.items():
            told = max((row.sequences.get(topic, 0) for row in self.rows.values()), default=0)
            last = max((message.sequence or 0 for message in messages), default=0)
            if last < told:
                yield f"{topic} holds {last} of {told} messages"
        topic = LICENSING_ENTITLEMENTS.name
        told = self.row("licensing").sequences.get(topic, 0)
        if self.cached and (self.cached.sequence or 0) < told:
            yield f"{topic} holds number {self.cached.sequence} of {told}"


_READS = tuple(
    (topic.name, topic.writer, tuple(reader for reader in topic.readers if reader in SERVICES))
    for topic in (BILLING_EVENTS, LICENSING_EVENTS, NOTIFICATIONS_EVENTS)
)
