"""What customers and operators ask for, as a scenario writes it."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, StringConstraints

from contracts import commands
from contracts.base import Data
from contracts.identity import identity_digest
from contracts.values import Channel, Code, PauseMode, Ref, Seats, Term, Text
from ops.scenario.instants import When
from ops.scenario.scene import Scene
from ops.scenario.values import Amount, Order, Part, Shorthand

#: Key of the digests in scenarios; a stack that runs them has the same one.
DIGEST_KEY = "scenarios only"
Day = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]


class Asked(Part):
    """How a command is sent."""

    KIND: ClassVar[type[Data]]
    id: Ref | None = None
    repeat: Annotated[int, Field(ge=1, le=10, description="Sent so many times.")] = 1

    def data(self, scene: Scene) -> dict[str, Any]:
        """The data of the command as JSON."""
        raise NotImplementedError


class _ByCustomer(Asked):
    channel: Channel = "account"

    def data(self, scene: Scene) -> dict[str, Any]:
        """What was given."""
        return self.model_dump(
            include=set(self.KIND.model_fields), exclude_none=True, mode="python"
        )


class Cancel(_ByCustomer):
    """Switch automatic renewal off."""

    KIND = commands.Cancel
    type: Literal["cancel"]
    reason: Text | None = None


class Uncancel(_ByCustomer):
    """Switch automatic renewal on again."""

    KIND = commands.Uncancel
    type: Literal["uncancel"]


class UndoRenewal(_ByCustomer):
    """Cancel, and pay the period back that has not begun."""

    KIND = commands.UndoRenewal
    type: Literal["undo-renewal"]


class Pause(_ByCustomer):
    """Pause until `resumes_at`."""

    KIND = commands.Pause
    type: Literal["pause"]
    mode: PauseMode | None = None
    resumes_at: When | None = None

    def data(self, scene: Scene) -> dict[str, Any]:
        """Mode and end, as far as given."""
        found: dict[str, Any] = {"channel": self.channel}
        found |= {"mode": self.mode} if self.mode else {}
        return found | ({"resumes_at": scene.text(self.resumes_at)} if self.resumes_at else {})


class Resume(_ByCustomer):
    """End the pause."""

    KIND = commands.Resume
    type: Literal["resume"]


class ChangeSettings(_ByCustomer):
    """Change seats, term, product or price."""

    KIND = commands.ChangeSettings
    type: Literal["change-settings"]
    seats: Seats | None = None
    term: Term | None = None
    product_id: Ref | None = None
    amount: Amount | None = None


class RequestRefund(Asked):
    """Ask for the money of an order back; name, address and day are the right ones unless given."""

    KIND = commands.RequestRefund
    type: Literal["request-refund"]
    order: Order = 1
    purchased_on: Day | None = None
    name: Text | None = None
    email: Text | None = None
    requested_at: When | None = None
    reason: Text | None = None

    def data(self, scene: Scene) -> dict[str, Any]:
        """The request; name and address leave only as digests."""
        customer, key = scene.scenario.customer, DIGEST_KEY.encode()
        email = self.email or customer.email or scene.email
        found = {
            "order_id": scene.order_id(self.order),
            "identity": {
                "purchased_on": self.purchased_on or scene.purchased_on(self.order),
                "name_digest": identity_digest(key, self.name or customer.name),
                "email_digest": identity_digest(key, email),
            },
            "reason": self.reason,
            "requested_at": scene.text(self.requested_at) if self.requested_at else None,
        }
        return {field: value for field, value in found.items() if value is not None}


class _OnCase(Asked):
    order: Annotated[Order | None, Field(description="Whose case; otherwise the last one.")] = None
    operator: Text = "operator"
    note: Text | None = None

    def data(self, scene: Scene) -> dict[str, Any]:
        """The case and who decides."""
        found = {"case_id": str(scene.case_id(self.order)), "operator": self.operator}
        return found | ({"note": self.note} if self.note else {})


class ApproveRefund(_OnCase):
    """An operator approves a refund case."""

    KIND = commands.ApproveRefund
    type: Literal["approve-refund"]


class DeclineRefund(_OnCase):
    """An operator declines a refund case."""

    KIND = commands.DeclineRefund
    type: Literal["decline-refund"]
    code: Code = "NOT_ELIGIBLE"

    def data(self, scene: Scene) -> dict[str, Any]:
        """The case, who decides and why."""
        return {**super().data(scene), "code": self.code}


class ExtendPeriod(Asked):
    """An operator gives days of goodwill."""

    KIND = commands.ExtendPeriod
    type: Literal["extend-period"]
    days: int
    reason: Text = "goodwill"
    operator: Text = "operator"

    def data(self, scene: Scene) -> dict[str, Any]:
        """How many days, why and by whom."""
        return self.model_dump(include={"days", "reason", "operator"})


class EraseCustomer(Asked):
    """Forget the customer's name and address."""

    KIND = commands.EraseCustomer
    type: Literal["erase-customer"]
    operator: Text = "operator"

    def data(self, scene: Scene) -> dict[str, Any]:
        """Whom, and by whom."""
        return {"customer_id": str(scene.customer_id), "operator": self.operator}


COMMANDS: tuple[type[Asked], ...] = (
    Cancel,
    Uncancel,
    UndoRenewal,
    Pause,
    Resume,
    ChangeSettings,
    RequestRefund,
    ApproveRefund,
    DeclineRefund,
    ExtendPeriod,
    EraseCustomer,
)
AnyCommand = (
    Cancel
    | Uncancel
    | UndoRenewal
    | Pause
    | Resume
    | ChangeSettings
    | RequestRefund
    | ApproveRefund
    | DeclineRefund
    | ExtendPeriod
    | EraseCustomer
)
#: A command: its name, or its name as `type` with fields.
Command = Annotated[
    Annotated[AnyCommand, Field(discriminator="type")],
    Shorthand("type", (kind.KIND.TYPE.split(".")[1] for kind in COMMANDS)),
]
