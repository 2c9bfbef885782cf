"""What billing tells, one event at a time, and licensing's answers; billing itself takes no part."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from contracts import billing, licensing
from contracts.base import Data
from contracts.catalogue import ENVELOPES
from contracts.outgoing import Outgoing, TimePassed
from contracts.policy import Policies, ProviderPolicy
from contracts.values import Money, PauseMode, Plan, ProductType, subscription_id
from ledger.access import Access, access_at
from ledger.stage import Stage
from ledger.timeline import timeline
from services.licensing.domain.decide import decide
from services.licensing.domain.license import License
from tests.support.story import POLICIES, utc

PRICE = Money(minor=4999, currency="EUR")
START = utc("2025-01-01")
YEAR = timedelta(days=365)
DAY = timedelta(days=1)
ROOT = UUID(int=11)


def named(name: str) -> UUID:
    """A stable id for a name."""
    return uuid5(ROOT, name)


def pack(provider: str = "online-store", **changes: Any) -> Policies:
    """The policies with one provider's pack changed."""
    packs = dict(POLICIES.packs)
    packs[provider] = tuple(p.model_copy(update=changes) for p in packs[provider])
    return Policies(packs)


@dataclass(frozen=True)
class Words:
    """Events as billing words them, for one subscription of a provider."""

    provider: str = "online-store"
    product: ProductType = "update-and-protection"

    def created(self, at: datetime = START) -> Data:
        """The order."""
        return billing.SubscriptionCreated(
            fact_id=named("order"),
            effective_at=at,
            provider_id=self.provider,
            reference="R-1",
            customer_id=named("customer"),
            plan=self._plan(3),
            amount=PRICE,
            auto_renew=True,
            billing_tz="UTC",
            policy_version="2020-01-01",
        )

    def period(
        self,
        number: int = 1,
        start: datetime = START,
        end: datetime | None = None,
        paid: datetime | None = None,
        seats: int = 3,
        **more: Any,
    ) -> billing.PeriodScheduled:
        """A paid year, known by its number."""
        fields: dict[str, Any] = {
            "fact_id": named(f"paid {number}"),
            "effective_at": paid or start,
            "period_id": named(f"period {number}"),
            "ordinal": number,
            "order_id": f"O-{number}",
            "kind": "initial" if number == 1 else "renewal",
            "amount": PRICE,
            "ordered_at": paid or start,
            "start": start,
            "end": end or start + YEAR,
            "basis": "from_now" if number == 1 else "from_end",
            "plan": self._plan(seats),
            "provider_id": self.provider,
            "policy_version": "2020-01-01",
        }
        return billing.PeriodScheduled(**fields | more)

    def _plan(self, seats: int) -> Plan:
        return Plan(product_id="p", product_type=self.product, term="P1Y", seats=seats)


def shifted(number: int, start: datetime, end: datetime, reason: Any = "pause") -> Data:
    """A period moved to these bounds."""
    bounds = billing.PeriodBounds(ordinal=number, start=start, end=end)
    return billing.PeriodShifted(
        fact_id=named(f"paid {number}"),
        effective_at=start,
        period_id=named(f"period {number}"),
        old=bounds,
        new=bounds,
        reason=reason,
    )


def taken(number: int, at: datetime, reason: Any = "refunded", voided: bool = False) -> Data:
    """A refund or chargeback took a period away."""
    return _ending(billing.PeriodVoided if voided else billing.PeriodRevoked, number, at, reason)


def given_back(number: int, at: datetime) -> Data:
    """The refund failed."""
    return _ending(billing.PeriodReinstated, number, at, "refunded")


def _ending(kind: type[billing.PeriodEnding], number: int, at: datetime, reason: Any) -> Data:
    return kind(
        fact_id=named(f"taken {number} {at}"),
        effective_at=at,
        period_id=named(f"period {number}"),
        ordinal=number,
        order_id=f"O-{number}",
        start=START,
        end=START + YEAR,
        reason=reason,
        auto_renew=False,
    )


def pause_started(
    at: datetime, until: datetime, mode: PauseMode = "freeze_term", name: str = "pause"
) -> Data:
    """A pause begins."""
    return billing.PauseStarted(
        fact_id=named(name),
        effective_at=at,
        pause_id=named(name),
        mode=mode,
        channel="account",
        resumes_at=until,
    )


def pause_scheduled(
    at: datetime, starts: datetime, until: datetime, follows: int = 1, name: str = "pause"
) -> Data:
    """A pause is granted that begins where a period ends."""
    return billing.PauseScheduled(
        fact_id=named(name),
        effective_at=at,
        pause_id=named(name),
        mode="at_period_end",
        channel="account",
        follows=named(f"period {follows}"),
        starts_at=starts,
        resumes_at=until,
    )


def pause_ended(at: datetime, name: str = "pause", **more: Any) -> Data:
    """A pause ends, or is dropped."""
    fact_id = named(f"{name} ended {at}")
    return billing.PauseEnded(fact_id=fact_id, effective_at=at, pause_id=named(name), **more)


def dispute(
    kind: type[billing.DisputeEvent], at: datetime, number: int = 1, id: str = "D-1"
) -> Data:
    """A dispute about the money of a period is opened, won or lost."""
    return kind(
        fact_id=named(f"{id} {kind.TYPE}"),
        effective_at=at,
        dispute_id=id,
        order_id=f"O-{number}",
        amount=PRICE,
        period_id=named(f"period {number}"),
    )


def charge_asked(at: datetime, renews: int = 1, name: str = "charge") -> Data:
    """The charge for the next period is asked for."""
    return billing.RenewalChargeRequested(
        fact_id=named(f"{name} asked"),
        effective_at=at,
        charge_id=named(name),
        renews=named(f"period {renews}"),
    )


def charge_withdrawn(at: datetime, renews: int = 1, name: str = "charge") -> Data:
    """The charge is not wanted any more."""
    return billing.RenewalChargeWithdrawn(
        fact_id=named(f"{name} withdrawn"),
        effective_at=at,
        charge_id=named(name),
        renews=named(f"period {renews}"),
        reason="canceled",
    )


def charge_failed(at: datetime, renews: int = 1, name: str = "charge", final: bool = True) -> Data:
    """An attempt to charge failed."""
    return billing.PaymentFailed(
        fact_id=named(f"{name} failed {at}"),
        effective_at=at,
        order_id=f"O-{renews + 1}",
        kind="renewal",
        amount=PRICE,
        charge_id=named(name),
        period_id=named(f"period {renews}"),
        attempt=1,
        hard_decline=final,
        next_attempt_at=None if final else at + DAY,
        reason="no funds",
    )


def charge_paid(at: datetime, number: int = 2, name: str = "charge") -> Data:
    """The charge succeeded."""
    return billing.PaymentSucceeded(
        fact_id=named(f"paid {number}"),
        effective_at=at,
        order_id=f"O-{number}",
        kind="renewal",
        amount=PRICE,
        charge_id=named(name),
        period_id=named(f"period {number}"),
    )


def seats(number: int, effective: datetime, name: str = "seats", **more: Any) -> Data:
    """Another number of seats."""
    fields = {"fact_id": named(name), "effective_at": effective, "seats": number} | more
    return billing.SettingsChanged.model_validate(fields)


def canceled(at: datetime, name: str = "cancellation") -> Data:
    """Renewal is switched off."""
    return billing.CancellationScheduled(
        fact_id=named(f"{name} {at}"),
        effective_at=at,
        cancellation_id=named(name),
        channel="account",
    )


def uncanceled(at: datetime, name: str = "cancellation") -> Data:
    """Renewal is switched on again."""
    return billing.CancellationWithdrawn(
        fact_id=named(f"{name} withdrawn {at}"), effective_at=at, cancellation_id=named(name)
    )


@dataclass
class Telling:
    """One license that is told events; `now` only moves forward."""

    policies: Policies = POLICIES
    provider: str = "online-store"
    now: datetime = START
    said: list[Outgoing] = field(default_factory=list)
    told: int = 0

    def __post_init__(self) -> None:
        self.id = subscription_id(self.provider, "R-1")
        self.license = License(subscription_id=self.id)

    def tell(self, *told: Data, time: datetime | None = None) -> "Telling":
        """Billing tells these events now, of facts that happened as they say or at `time`."""
        for data in told:
            self.told += 1
            assert isinstance(data, billing.BillingEvent)
            envelope = ENVELOPES[data.TYPE](
                specversion="1.0",
                id=str(uuid5(self.id, f"event {self.told} {data.TYPE}")),
                source="/tenure/billing",
                type=data.TYPE,
                subject=str(self.id),
                time=time or data.effective_at,
                providerid=self.provider,
                sequence=self.told,
                data=data,
            )
            self._decide(envelope)
        return self

    def _decide(self, message: Any) -> None:
        before = self.license
        self.license, said = decide(self.license, message, self.policies, self.now)
        self.said.extend(said)
        every_untruth_is_corrected(before, self.license, said, self.now)

    def advance(self, to: datetime) -> "Telling":
        """Let time pass, stopping at every deadline on the way."""
        while self.license.due_at and self.license.due_at <= to:
            self.now = max(self.now, self.license.due_at)
            self._decide(TimePassed(uuid5(self.id, f"{self.now} {len(self.said)} {self.told}")))
            assert self.license.due_at is None or self.license.due_at > self.now
        self.now = max(self.now, to)
        return self

    def policy(self, version: str) -> ProviderPolicy:
        """A stamped version of the pack."""
        return self.policies.stamped(self.provider, version)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The timeline."""
        return timeline(self.license.history, self.policy)

    def access(self, at: datetime) -> Access:
        """What may be used at an instant."""
        access = access_at(self.license.history, self.policy, at)
        assert access
        return access

    def state(self, at: datetime) -> str:
        """The state at an instant."""
        return self.access(at).state

    def events(self, since: int = 0) -> list[tuple[str, str]]:
        """The changes of access that were said, with the day as of which; without entitlements."""
        return [
            (o.data.TYPE.split(".")[1], f"{o.data.effective_at:%Y-%m-%d}")
            for o in self.said[since:]
            if isinstance(o.data, licensing.LicensingEvent)
            and not isinstance(o.data, licensing.EntitlementEvent)
        ]

    def entitlements(self, since: int = 0) -> list[tuple[str, str, str]]:
        """What was said of the entitlement: word, state, day."""
        return [
            (o.data.TYPE.split("-")[1].removesuffix(".v1"), o.data.state, f"{o.data.effective_at:%Y-%m-%d}")
            for o in self.said[since:]
            if isinstance(o.data, licensing.EntitlementEvent)
        ]  # fmt: skip

    def last(self, kind: type[Any]) -> Any:
        """The latest of one type."""
        return [o.data for o in self.said if isinstance(o.data, kind)][-1]

    def ids(self, kind: type[Any]) -> tuple[UUID, ...]:
        """The event ids of one type."""
        return tuple(o.id for o in self.said if isinstance(o.data, kind))

    @property
    def entitlement(self) -> licensing.Entitlement:
        """The latest published entitlement."""
        return self.last(licensing.Entitlement)  # type: ignore[no-any-return]


def every_untruth_is_corrected(
    before: License, after: License, said: tuple[Outgoing, ...], now: datetime
) -> None:
    """What no longer stands is named by an event of the same decision (architecture, idea 1)."""
    if all(period.begins > now for period in after.history.periods):
        return  # all that was paid was moved ahead: the message that fills the gap says what holds
    stands = {known.key for known in after.said}
    named_now = {
        id
        for o in said
        if isinstance(o.data, licensing.LicensingEvent)
        for id in o.data.corrects or ()
    }
    ahead = {f" {p.period_id}\n" for p in after.history.periods if p.begins > now}
    for known in before.said:
        overtaken = known.key.startswith("entitlement\nactive") and any(
            period in known.key for period in ahead
        )
        assert known.key in stands or known.event_id in named_now or overtaken, known.key
    assert all(id in {k.event_id for k in before.said} for id in named_now)
