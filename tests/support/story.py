"""A story in memory: the real decisions of billing and licensing, with queues in place of Kafka.

It has no opinion of its own: messages go in as upstream would publish them, time passes from
deadline to deadline, and everything that was said can be asked for.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from contracts import billing, commands, licensing, notifications, payments
from contracts.base import Data
from contracts.catalogue import ENVELOPES
from contracts.commands import Identity
from contracts.envelope import Envelope
from contracts.identity import identity_digest
from contracts.outgoing import Outgoing, TimePassed
from contracts.policy import Policies, ProviderPolicy
from contracts.topics import BILLING_EVENTS, TOPIC_OF
from contracts.values import Money, Plan, period_id, subscription_id
from ledger.access import Access, access_at
from ledger.stage import Stage
from ledger.timeline import timeline
from policies import load_policies
from services.billing.domain import decide as billing_decide
from services.billing.domain.fold import standing
from services.billing.domain.standing import Standing
from services.billing.domain.subscription import Subscription
from services.licensing.domain import decide as licensing_decide
from services.licensing.domain.license import License

KEY = b"test key"
POLICIES = load_policies()
NAME, EMAIL = "Ann Lee", "ann@example.com"
PRICE = Money(minor=4999, currency="EUR")


def utc(text: str) -> datetime:
    """An instant from `2025-01-31` or `2025-01-31T10:00`, in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@dataclass
class Story:
    """One subscription; `now` only moves forward. `start` is the instant of the first step."""

    provider: str = "online-store"
    reference: str = "R-1"
    now: datetime = field(default_factory=lambda: utc("2025-01-01"))
    policies: Policies = POLICIES

    def __post_init__(self) -> None:
        self.id = subscription_id(self.provider, self.reference)
        self.billing = Subscription(subscription_id=self.id)
        self.licensing = License(subscription_id=self.id)
        self.said: list[Outgoing] = []
        self.count = 0

    # what happens

    def publish(self, data: Data, at: datetime | None = None, id: str | None = None) -> list[Data]:
        """An upstream message or command that occurred at `at` (default now); returns what was said."""
        return self.receive(self.message(data, at, id))

    def message(self, data: Data, at: datetime | None = None, id: str | None = None) -> Envelope:
        """An upstream message, a command, or one of our other services, not yet received."""
        self.count += 1
        upstream = data.TYPE.startswith("payments.")
        return ENVELOPES[data.TYPE](
            specversion="1.0",
            id=id or str(uuid5(self.id, f"message {self.count}")),
            source="/upstream/shop" if upstream else "/tenure/cli",
            type=data.TYPE,
            subject=self.reference if upstream else str(self.id),
            time=at or self.now,
            providerid=self.provider,
            data=data,
        )

    def receive(self, message: Envelope | TimePassed) -> list[Data]:
        """Billing decides; licensing hears what billing said. Returns all that was said."""
        before = len(self.said)
        self.billing, said = billing_decide.decide(
            self.billing, message, self.policies, KEY, self.now
        )
        for outgoing in said:
            self._hear(outgoing)
        return [outgoing.data for outgoing in self.said[before:]]

    def _hear(self, outgoing: Outgoing) -> None:
        self.said.append(outgoing)
        if TOPIC_OF[outgoing.data.TYPE] is not BILLING_EVENTS:
            return
        envelope = ENVELOPES[outgoing.data.TYPE](
            specversion="1.0",
            id=str(outgoing.id),
            source="/tenure/billing",
            type=outgoing.data.TYPE,
            subject=outgoing.key,
            time=outgoing.time,
            providerid=outgoing.provider_id,
            sequence=len(self.said),
            data=outgoing.data,
        )
        self.licensing, said = licensing_decide.decide(
            self.licensing, envelope, self.policies, self.now
        )
        self.said.extend(said)

    def advance(self, to: datetime | timedelta) -> list[Data]:
        """Let time pass up to an instant, stopping at every deadline on the way."""
        target = self.now + to if isinstance(to, timedelta) else to
        before = len(self.said)
        while True:
            due = [d for d in (self.billing.due_at, self.licensing.due_at) if d and d <= target]
            if not due:
                break
            self.now = max(self.now, min(due))
            self._time_passed()
        self.now = target
        return [outgoing.data for outgoing in self.said[before:]]

    def _time_passed(self) -> None:
        tick = TimePassed(uuid5(self.id, f"time {self.now.isoformat()} {len(self.said)}"))
        if self.billing.due_at and self.billing.due_at <= self.now:
            self.receive(tick)
            assert self.billing.due_at is None or self.billing.due_at > self.now
        if self.licensing.due_at and self.licensing.due_at <= self.now:
            self.licensing, said = licensing_decide.decide(
                self.licensing, tick, self.policies, self.now
            )
            self.said.extend(said)
            assert self.licensing.due_at is None or self.licensing.due_at > self.now

    # usual steps

    def order(self, order_id: str = "O-1", term: str = "P1Y", **changes: Any) -> list[Data]:
        """A customer orders a year of the product with automatic renewal."""
        return self.publish(payments.OrderPlaced(**self.order_data(order_id, term, **changes)))

    def order_data(
        self, order_id: str = "O-1", term: str = "P1Y", **changes: Any
    ) -> dict[str, Any]:
        """What an order says."""
        fields: dict[str, Any] = {
            "order_id": order_id,
            "customer": payments.Customer(customer_ref="C-1", name=NAME, email=EMAIL, locale="en"),
            "plan": Plan(
                product_id="internet-security",
                product_type="update-and-protection",
                term=term,
                seats=3,
            ),
            "amount": PRICE,
            "auto_renew": True,
        }
        return fields | changes

    def pay(
        self, order_id: str = "O-1", kind: Any = "initial", at: datetime | None = None, **more: Any
    ) -> list[Data]:
        """A payment succeeds."""
        fields = {"order_id": order_id, "kind": kind, "amount": PRICE} | more
        return self.publish(payments.PaymentSucceeded(**fields), at)

    def fail(self, order_id: str, charge_id: UUID | None = None, final: bool = True) -> list[Data]:
        """A renewal charge fails."""
        return self.publish(
            payments.PaymentFailed(
                order_id=order_id,
                kind="renewal",
                amount=PRICE,
                charge_id=charge_id,
                attempt=1,
                hard_decline=final,
                next_attempt_at=None if final else self.now + timedelta(days=3),
                reason="card declined",
            )
        )

    def subscribe(self) -> "Story":
        """Order and pay now."""
        self.order()
        self.pay()
        return self

    def request_refund(
        self, order_id: str = "O-1", bought: str = "2025-01-01", name: str = NAME, **more: Any
    ) -> list[Data]:
        """A customer asks for the money back."""
        identity = Identity(
            purchased_on=utc(bought).date(),
            name_digest=identity_digest(KEY, name),
            email_digest=identity_digest(KEY, EMAIL),
        )
        return self.publish(commands.RequestRefund(order_id=order_id, identity=identity, **more))

    def approve(self) -> list[Data]:
        """An operator approves the last case."""
        case = self.last(billing.RefundUnderReview)
        return self.publish(commands.ApproveRefund(case_id=case.case_id, operator="op"))

    def cancel(self, channel: Any = "account") -> list[Data]:
        """The customer cancels."""
        return self.publish(commands.Cancel(channel=channel))

    def uncancel(self, channel: Any = "account") -> list[Data]:
        """The customer wants automatic renewal after all."""
        return self.publish(commands.Uncancel(channel=channel))

    def pause(self, resumes_at: datetime | str | None, mode: Any = None) -> list[Data]:
        """The customer wants a pause."""
        until = utc(resumes_at) if isinstance(resumes_at, str) else resumes_at
        return self.publish(commands.Pause(channel="account", mode=mode, resumes_at=until))

    def resume(self) -> list[Data]:
        """The customer ends the pause."""
        return self.publish(commands.Resume(channel="account"))

    def extend(self, days: int) -> list[Data]:
        """An operator gives days of goodwill."""
        return self.publish(commands.ExtendPeriod(days=days, reason="outage", operator="op"))

    def change(self, **changes: Any) -> list[Data]:
        """The customer changes settings."""
        return self.publish(commands.ChangeSettings(channel="account", **changes))

    def decline(self, code: str = "NOT_ELIGIBLE") -> list[Data]:
        """An operator declines the last case."""
        case = self.last(billing.RefundUnderReview)
        return self.publish(commands.DeclineRefund(case_id=case.case_id, operator="op", code=code))

    def refunded(
        self, order_id: str = "O-1", at: datetime | None = None, full: bool = True, **more: Any
    ) -> list[Data]:
        """The money of an order went back, by the provider alone unless a refund_id is given."""
        fields: dict[str, Any] = {"order_id": order_id, "amount": PRICE, "full": full} | more
        return self.publish(payments.RefundSucceeded(**fields), at)

    def refund_fails(self, order_id: str = "O-1") -> list[Data]:
        """The refund that was asked for last is not carried out."""
        asked = self.last(payments.RefundRequested)
        return self.publish(
            payments.RefundFailed(order_id=order_id, refund_id=asked.refund_id, reason="closed")
        )

    def remind(self) -> list[Data]:
        """The mail server accepted the last reminder."""
        due = self.last(billing.RenewalReminderDue)
        return self.publish(
            notifications.MailAccepted(
                notice_id=uuid5(self.id, f"reminder {due.renews}"),
                kind="renewal-reminder",
                requested_by=str(self.id),
                renews=due.renews,
                end=due.end,
                at=self.now,
            )
        )

    def renew(self, order_id: str) -> list[Data]:
        """The charge that was asked for last succeeds."""
        return self.pay(order_id, "renewal", charge_id=self.charge_id)

    # what came of it

    def all(self, kind: type[Any]) -> list[Any]:
        """Everything of one type that was said."""
        return [o.data for o in self.said if isinstance(o.data, kind)]

    def last(self, kind: type[Any]) -> Any:
        """The latest of one type."""
        return self.all(kind)[-1]

    @property
    def charge_id(self) -> UUID:
        """The charge asked for last."""
        return UUID(str(self.last(billing.RenewalChargeRequested).charge_id))

    @property
    def known(self) -> Standing:
        """The standing as billing derives it."""
        return standing(self.billing, self.policies)

    @property
    def billing_stages(self) -> tuple[Stage, ...]:
        """The timeline as billing derives it."""
        return timeline(self.known.history, self.known.policy)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The timeline as licensing derives it."""
        return timeline(self.licensing.history, self.policy)

    def access(self, at: datetime | str) -> Access | None:
        """What may be used at an instant, and why."""
        instant = utc(at) if isinstance(at, str) else at
        return access_at(self.licensing.history, self.policy, instant)

    def policy(self, version: str) -> ProviderPolicy:
        """A stamped version of the provider's pack."""
        return self.policies.stamped(self.provider, version)

    def period(self, order_id: str) -> UUID:
        """The id of the period that an order bought."""
        return period_id(self.id, order_id)

    @property
    def entitlement(self) -> licensing.Entitlement:
        """The latest published entitlement."""
        return self.last(licensing.Entitlement)  # type: ignore[no-any-return]


def names(said: list[Data]) -> list[str]:
    """The short names of what was said: `billing.period-scheduled`."""
    return [data.TYPE.removesuffix(".v1") for data in said]
