"""What a payment system publishes, as a scenario writes it."""

from typing import Annotated

from pydantic import Field

from ops.scenario.upstream_others import (
    CancellationRequested,
    CancellationWithdrawn,
    DisputeLost,
    DisputeOpened,
    DisputeWon,
    PauseRequested,
    RefundFailed,
    RefundSucceeded,
    ResumeRequested,
    SettingsChanged,
)
from ops.scenario.upstream_payments import Event, OrderPlaced, PaymentFailed, PaymentSucceeded
from ops.scenario.values import Shorthand

EVENTS: tuple[type[Event], ...] = (
    OrderPlaced,
    PaymentSucceeded,
    PaymentFailed,
    RefundSucceeded,
    RefundFailed,
    DisputeOpened,
    DisputeWon,
    DisputeLost,
    CancellationRequested,
    CancellationWithdrawn,
    PauseRequested,
    ResumeRequested,
    SettingsChanged,
)
AnyEvent = (
    OrderPlaced
    | PaymentSucceeded
    | PaymentFailed
    | RefundSucceeded
    | RefundFailed
    | DisputeOpened
    | DisputeWon
    | DisputeLost
    | CancellationRequested
    | CancellationWithdrawn
    | PauseRequested
    | ResumeRequested
    | SettingsChanged
)
#: An event of the payment system: its name, or its name as `type` with fields.
Upstream = Annotated[
    Annotated[AnyEvent, Field(discriminator="type")],
    Shorthand("type", (kind.KIND.TYPE.split(".")[1] for kind in EVENTS)),
]
