"""What billing would say about one subscription, message by message, each with its number."""

from datetime import datetime, timedelta
from typing import Any, Self
from uuid import UUID, uuid4, uuid5

from contracts import billing
from contracts.base import Data
from contracts.catalogue import ENVELOPES
from contracts.envelope import Envelope
from contracts.topics import BILLING_EVENTS
from contracts.values import Money, Plan, ProductType, subscription_id
from policies import load_policies
from tests.support.desk import Desk

PRICE = Money(minor=4999, currency="EUR")
YEAR = timedelta(days=365)


class Billing:
    """Prepares messages; `send` publishes all or some of them, in any order."""

    def __init__(
        self,
        desk: Desk,
        start: datetime,
        provider: str = "online-store",
        product_type: ProductType = "update-and-protection",
    ) -> None:
        """Nothing is said yet; the first period begins at `start`."""
        self.desk = desk
        self.start = start
        self.provider = provider
        self.reference = f"licensed-{uuid4().hex[:8]}"
        self.id = subscription_id(provider, self.reference)
        self.messages: list[Envelope] = []
        self.plan = Plan(product_id="security", product_type=product_type, term="P1Y", seats=3)
        self._version = load_policies().in_force(provider, start).version

    def period_id(self, number: int) -> UUID:
        """The id of a period."""
        return uuid5(self.id, f"O-{number}")

    def say(self, data: Data, at: datetime | None = None) -> Self:
        """One more message."""
        self.messages.append(self.message(data, len(self.messages) + 1, at))
        return self

    def message(self, data: Data, sequence: int, at: datetime | None = None) -> Envelope:
        """A message with this number that is not among those to be sent."""
        return ENVELOPES[data.TYPE](
            specversion="1.0",
            id=str(uuid4()),
            source="/tenure/billing",
            type=data.TYPE,
            subject=str(self.id),
            time=at or self.start,
            providerid=self.provider,
            sequence=sequence,
            data=data,
        )

    def created(self) -> Self:
        """The order was placed."""
        return self.say(
            billing.SubscriptionCreated(
                fact_id=uuid4(),
                effective_at=self.start,
                provider_id=self.provider,
                reference=self.reference,
                customer_id=uuid4(),
                plan=self.plan,
                amount=PRICE,
                auto_renew=True,
                billing_tz="UTC",
                policy_version=self._version,
            )
        )

    def scheduled(self, number: int = 1, paid_at: datetime | None = None) -> Self:
        """A year was paid for: the first, or a later one, which begins where the last one ends."""
        return self.say(self.period(number, paid_at))

    def period(self, number: int = 1, paid_at: datetime | None = None) -> billing.PeriodScheduled:
        """The data that tell it."""
        start = self.start + (number - 1) * YEAR
        return billing.PeriodScheduled(
            fact_id=uuid4(),
            effective_at=paid_at or self.start,
            period_id=self.period_id(number),
            ordinal=number,
            order_id=f"O-{number}",
            kind="initial" if number == 1 else "renewal",
            amount=PRICE,
            ordered_at=paid_at or self.start,
            start=start,
            end=start + YEAR,
            basis="from_end" if number > 1 else "from_now",
            plan=self.plan,
            provider_id=self.provider,
            policy_version=self._version,
        )

    def revoked(self, at: datetime, number: int = 1) -> Self:
        """A refund took a period away while it ran."""
        period = self.period(number)
        fields: dict[str, Any] = {
            "fact_id": uuid4(),
            "effective_at": at,
            "period_id": period.period_id,
            "ordinal": number,
            "order_id": period.order_id,
            "start": period.start,
            "end": period.end,
            "reason": "refunded",
            "auto_renew": False,
        }
        return self.say(billing.PeriodRevoked(**fields))

    async def send(self, *numbers: int) -> None:
        """Publish messages by their numbers in this order, or all; wait until all is dealt with."""
        for number in numbers or range(1, len(self.messages) + 1):
            message = self.messages[number - 1]
            await self.desk.send(BILLING_EVENTS, str(self.id).encode(), message.to_json())
        await self.desk.settled()
