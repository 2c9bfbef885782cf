"""Orders and payments as a scenario writes them: few fields, sensible values for the rest."""

from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from contracts import payments
from contracts.base import Data
from contracts.payments import Locale, Region, TimeZone
from contracts.values import Money, PaymentKind, ProductType, Ref, Seats, Term, Text
from ops.scenario.instants import When
from ops.scenario.scene import Scene
from ops.scenario.values import Amount, Order, Part


class Customer(Part):
    """Who orders; what is not said has a value."""

    name: Text = "Ann Lee"
    email: Text | None = None
    locale: Locale = "en"
    region: Region | None = None
    time_zone: TimeZone | None = None


class PlanChanges(Part):
    """What is ordered, as far as it differs from a year of update and protection for three devices."""

    product_id: Ref | None = None
    product_type: ProductType | None = None
    term: Term | None = None
    seats: Seats | None = None


class Span(Part):
    """The period that upstream names with a payment."""

    start: When
    end: When | None = None


class Event(Part):
    """How an event is published; `occurred` is earlier than its delivery when it comes late."""

    KIND: ClassVar[type[Data]]
    occurred: When | None = None
    id: Ref | None = None
    repeat: Annotated[int, Field(ge=1, le=10, description="Published so many times.")] = 1
    provider: Annotated[Ref | None, Field(description="Another provider than the scenario's.")] = (
        None
    )

    def data(self, scene: Scene) -> dict[str, Any]:
        """The data of the message as JSON. Raises StoryError when it needs what was never said."""
        raise NotImplementedError


class OrderPlaced(Event):
    """The customer orders; fields that are not given follow the scenario."""

    KIND = payments.OrderPlaced
    type: Literal["order-placed"]
    order: Order = 1
    plan: PlanChanges = PlanChanges()
    amount: Amount | None = None
    auto_renew: bool | None = None
    billing_tz: TimeZone | None = None
    customer: Customer | None = None

    def data(self, scene: Scene) -> dict[str, Any]:
        """An order of the scenario's plan."""
        scenario = scene.scenario
        customer = self.customer or scenario.customer
        plan = {**scene.plan, **self.plan.model_dump(exclude_none=True)}
        auto_renew = scenario.auto_renew if self.auto_renew is None else self.auto_renew
        billing_tz = self.billing_tz or scenario.billing_tz
        return {
            "order_id": scene.order_id(self.order),
            "customer": {
                "customer_ref": f"C-{scene.reference}",
                **customer.model_dump(exclude_none=True),
                "email": customer.email or scene.email,
            },
            "plan": plan,
            "amount": (self.amount or scenario.amount).model_dump(),
            "auto_renew": auto_renew,
            **({"billing_tz": billing_tz} if billing_tz else {}),
        }


class OfOrder(Event):
    """An event about the money of one order."""

    order: Order = 1
    amount: Amount | None = None

    def money(self, scene: Scene, otherwise: Money | None = None) -> dict[str, Any]:
        """Order and amount; the amount is the scenario's unless said."""
        amount = self.amount or otherwise or scene.scenario.amount
        return {"order_id": scene.order_id(self.order), "amount": amount.model_dump()}


class _Attempted(OfOrder):
    """A payment that was tried: for the order itself, a renewal, or by hand."""

    kind: PaymentKind | None = None
    charge: Annotated[
        Literal["last"] | UUID | None, Field(description="The charge request it answers.")
    ] = None

    def attempt(self, scene: Scene) -> dict[str, Any]:
        """Order, amount, kind and charge; the order decides the kind, the charge the amount."""
        first = self.order == 1 and self.charge is None
        charge = scene.last(payments.ChargeRequested, self.charge) if self.charge else None
        asked = charge.amount if isinstance(charge, payments.ChargeRequested) else None
        charge_id = charge.charge_id if isinstance(charge, payments.ChargeRequested) else None
        found = {
            **self.money(scene, asked),
            "kind": self.kind or ("initial" if first else "renewal"),
        }
        return found | ({"charge_id": str(charge_id)} if charge_id else {})


class PaymentSucceeded(_Attempted):
    """Money arrived: for order 1 the initial payment, for others a renewal unless `kind` says more."""

    KIND = payments.PaymentSucceeded
    type: Literal["payment-succeeded"]
    period: Span | None = None

    def data(self, scene: Scene) -> dict[str, Any]:
        """A success; a period only when one is given."""
        if self.period is None:
            return self.attempt(scene)
        end = self.period.end
        span = {"start": scene.text(self.period.start)}
        span |= {"end": scene.text(end)} if end else {}
        return {**self.attempt(scene), "period": span}


class PaymentFailed(_Attempted):
    """An attempt failed: for good, unless `next_attempt_at` says that there will be another."""

    KIND = payments.PaymentFailed
    type: Literal["payment-failed"]
    attempt_number: int = 1
    next_attempt_at: When | None = None
    hard_decline: bool | None = None
    reason: Text = "card declined"

    def data(self, scene: Scene) -> dict[str, Any]:
        """A failure."""
        again = self.next_attempt_at
        final = again is None if self.hard_decline is None else self.hard_decline
        return {
            **self.attempt(scene),
            "attempt": self.attempt_number,
            "hard_decline": final,
            "reason": self.reason,
            **({"next_attempt_at": scene.text(again)} if again else {}),
        }
