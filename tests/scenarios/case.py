"""A case: one subscription, and what happens to it at which instants of the common plan."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, Self
from uuid import uuid4

from contracts import billing, commands, payments
from contracts.base import Data
from contracts.catalogue import ENVELOPES
from contracts.commands import Identity
from contracts.envelope import OWN_SOURCE
from contracts.identity import identity_digest
from contracts.topics import BILLING_COMMANDS, PAYMENTS_EVENTS
from contracts.values import subscription_id
from tests.support import upstream

if TYPE_CHECKING:
    from tests.scenarios.year import Year


@dataclass(frozen=True)
class When:
    """An instant of the plan: so long after the start, the end of the first or of the second year."""

    anchor: Literal["start", "end", "second end"]
    after: timedelta = timedelta()

    def __add__(self, after: timedelta) -> "When":
        return replace(self, after=self.after + after)

    def __sub__(self, after: timedelta) -> "When":
        return replace(self, after=self.after - after)


START, END, SECOND_END = When("start"), When("end"), When("second end")
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

#: Topic, key and value of one record.
Publication = tuple[str, str, bytes]
Step = Callable[["Year"], Iterable[Publication]]
#: All cases of the modules that were imported, for the one plan.
CASES: list["Case"] = []


class Case:
    """A subscription with a reference of its own; every method adds one step and returns the case."""

    def __init__(self, name: str, provider: str = "online-store", **order: Any) -> None:
        """`order` changes the data of its first order."""
        self.name = name
        self.provider = provider
        self.reference = f"{name}-{uuid4().hex[:8]}"
        self.id = subscription_id(provider, self.reference)
        self.steps: list[tuple[When, Step]] = []
        #: The ids of its commands by their label.
        self.commands: dict[str, str] = {}
        self._order = order
        CASES.append(self)

    def order_id(self, number: int = 1) -> str:
        """The id of its first or a later order."""
        return f"{self.reference}-{number}"

    # what the payment system tells

    def tell(
        self,
        when: When,
        type: str,
        data: Callable[["Year"], dict[str, Any]],
        *,
        arrives: When | None = None,
        id: str | None = None,
        times: int = 1,
    ) -> Self:
        """What happened at `when` is published then, or at `arrives`, so many times."""

        def step(year: "Year") -> Iterable[Publication]:
            message = upstream.message(
                self.reference, type, year.at(when), data(year), id=id, provider=self.provider
            )
            return [(PAYMENTS_EVENTS.name, self.reference, upstream.raw(message))] * times

        self.steps.append((arrives or when, step))
        return self

    def ordered(self, when: When = START, **more: Any) -> Self:
        """The customer places the first order."""
        data = upstream.order(self.reference, self.order_id(), **self._order)
        return self.tell(when, "order-placed", lambda year: data, **more)

    def paid(
        self, when: When = START, *, order: int = 1, kind: str = "initial", **more: Any
    ) -> Self:
        """A payment succeeds that answers no charge request."""
        data = upstream.success(self.order_id(order), kind)
        return self.tell(when, "payment-succeeded", lambda year: data, **more)

    def subscribed(self) -> Self:
        """Order and payment at the start."""
        return self.ordered().paid()

    def charged(self, when: When, *, order: int = 2, **more: Any) -> Self:
        """The last charge that was asked for succeeds."""
        return self.tell(
            when,
            "payment-succeeded",
            lambda year: upstream.success(
                self.order_id(order), "renewal", charge_id=str(self._charge(year))
            ),
            **more,
        )

    def declined(self, when: When, retry: When | None = None) -> Self:
        """The last charge that was asked for fails, for good without `retry`."""
        return self.tell(
            when,
            "payment-failed",
            lambda year: upstream.failure(
                self.order_id(2), str(self._charge(year)), year.at(retry) if retry else None
            ),
        )

    def _charge(self, year: "Year") -> object:
        return year.told(self, payments.ChargeRequested)[-1].charge_id

    def refund_paid(self, when: When) -> Self:
        """The last refund that was asked for is carried out."""
        return self.tell(when, "refund-succeeded", lambda year: self._refund(year, full=True))

    def refund_failed(self, when: When) -> Self:
        """The last refund that was asked for is not carried out."""
        return self.tell(when, "refund-failed", lambda year: self._refund(year, reason="closed"))

    def _refund(self, year: "Year", **more: Any) -> dict[str, Any]:
        asked = year.told(self, payments.RefundRequested)[-1]
        data = {"order_id": asked.order_id, "refund_id": str(asked.refund_id), **more}
        return data | ({"amount": upstream.PRICE} if "full" in more else {})

    def raw(self, when: When, value: bytes) -> Self:
        """Any bytes under its key."""
        self.steps.append((when, lambda year: [(PAYMENTS_EVENTS.name, self.reference, value)]))
        return self

    # what people ask for

    def command(self, when: When, label: str, data: Callable[["Year"], Data]) -> Self:
        """A command is sent at `when`; its answer is found by the label."""
        id = self.commands[label] = str(uuid4())

        def step(year: "Year") -> Iterable[Publication]:
            content = data(year)
            message = ENVELOPES[content.TYPE](
                specversion="1.0",
                id=id,
                source=f"{OWN_SOURCE}ops",
                type=content.TYPE,
                subject=str(self.id),
                time=year.at(when),
                providerid=self.provider,
                data=content,
            )
            return [(BILLING_COMMANDS.name, str(self.id), message.to_json())]

        self.steps.append((when, step))
        return self

    def cancel(self, when: When, label: str = "cancel", channel: Any = "account") -> Self:
        """The customer switches automatic renewal off."""
        return self.command(when, label, lambda year: commands.Cancel(channel=channel))

    def uncancel(self, when: When, label: str = "uncancel") -> Self:
        """The customer switches it on again."""
        return self.command(when, label, lambda year: commands.Uncancel(channel="account"))

    def ask_refund(
        self,
        when: When,
        label: str = "refund",
        *,
        order: int | str = 1,
        bought: When = START,
        name: str = upstream.NAME,
        email: str | None = None,
    ) -> Self:
        """The customer wants the money of an order back and says when it was bought, and by whom."""
        wanted = order if isinstance(order, str) else self.order_id(order)
        address = email or upstream.address(self.reference)

        def request(year: "Year") -> Data:
            identity = Identity(
                purchased_on=year.at(bought).date(),
                name_digest=identity_digest(year.digest_key, name),
                email_digest=identity_digest(year.digest_key, address),
            )
            return commands.RequestRefund(order_id=wanted, identity=identity)

        return self.command(when, label, request)

    def approve(self, when: When, label: str = "approve") -> Self:
        """An operator approves the last case under review."""
        return self.command(
            when,
            label,
            lambda year: commands.ApproveRefund(case_id=self._case(year), operator="op"),
        )

    def decline(self, when: When, code: str, label: str = "decline") -> Self:
        """An operator declines the last case under review."""
        return self.command(
            when,
            label,
            lambda year: commands.DeclineRefund(case_id=self._case(year), operator="op", code=code),
        )

    def _case(self, year: "Year") -> Any:
        return year.told(self, billing.RefundUnderReview)[-1].case_id
