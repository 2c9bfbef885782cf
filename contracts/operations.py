"""What the operators' own tools tell. Topic `ops.alerts`."""

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from contracts.base import Data
from contracts.values import Ref, Text

AlertCode = Literal[
    "PAID_NOT_ENTITLED",
    "PAID_NOT_CONFIRMED",
    "ENTITLED_WITHOUT_REASON",
    "CHARGED_WITHOUT_REMINDER",
    "REFUNDED_STILL_ENTITLED",
    "CHARGED_TWICE",
    "SERVICE_LAGS",
    "SEQUENCE_GAP",
]


class Alert(Data):
    """What a person should look at; without `subscription_id` it is about a service.

    `alert_id` follows from code, subscription, `about` and the causing events, so that the same cause
    never makes a second alert.
    """

    alert_id: UUID
    code: AlertCode
    sentence: Text
    subscription_id: UUID | None = None
    about: Annotated[Ref, Field(description="The period, payment, charge, topic or service.")]
    evidence: Annotated[tuple[Ref, ...], Field(max_length=20)]
    suggested_command: Text


class AlertRaised(Alert):
    """Something is wrong and stands since."""

    TYPE: ClassVar[str] = "ops.alert-raised.v1"


class AlertResolved(Alert):
    """What was raised under this `alert_id` is right again."""

    TYPE: ClassVar[str] = "ops.alert-resolved.v1"


ALERTS: tuple[type[Data], ...] = (AlertRaised, AlertResolved)
