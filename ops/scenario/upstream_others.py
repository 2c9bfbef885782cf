"""Refunds, disputes and what customers did at the provider, as a scenario writes them."""

from typing import Any, Literal
from uuid import UUID

from contracts import payments
from contracts.values import Channel, PauseMode, Ref, Seats, Term, Text
from ops.scenario.instants import When
from ops.scenario.scene import Scene
from ops.scenario.upstream_payments import Event, OfOrder
from ops.scenario.values import Amount, Order


class RefundSucceeded(OfOrder):
    """Money went back: by the provider alone, or with `refund: last` as we had asked."""

    KIND = payments.RefundSucceeded
    type: Literal["refund-succeeded"]
    full: bool = True
    refund: Literal["last"] | UUID | None = None
    requested_at: When | None = None

    def data(self, scene: Scene) -> dict[str, Any]:
        """A refund that was paid."""
        asked = scene.refund_id(self.refund)
        return {
            **self.money(scene),
            "full": self.full,
            **({"refund_id": asked} if asked else {}),
            **({"requested_at": scene.text(self.requested_at)} if self.requested_at else {}),
        }


class RefundFailed(Event):
    """The refund that we asked for was not carried out."""

    KIND = payments.RefundFailed
    type: Literal["refund-failed"]
    order: Order = 1
    refund: Literal["last"] | UUID = "last"
    reason: Text = "account closed"

    def data(self, scene: Scene) -> dict[str, Any]:
        """A refund that failed."""
        return {
            "order_id": scene.order_id(self.order),
            "refund_id": scene.refund_id(self.refund),
            "reason": self.reason,
        }


class _Dispute(OfOrder):
    dispute: Ref = "D-1"
    reason: Text | None = None

    def data(self, scene: Scene) -> dict[str, Any]:
        """A step of a dispute."""
        found = {**self.money(scene), "dispute_id": f"{scene.reference}-{self.dispute}"}
        return found | ({"reason": self.reason} if self.reason else {})


class DisputeOpened(_Dispute):
    """The customer's bank asks for the money back."""

    KIND = payments.DisputeOpened
    type: Literal["dispute-opened"]


class DisputeWon(_Dispute):
    """The money stays."""

    KIND = payments.DisputeWon
    type: Literal["dispute-won"]


class DisputeLost(_Dispute):
    """The money is gone."""

    KIND = payments.DisputeLost
    type: Literal["dispute-lost"]


class _AtProvider(Event):
    channel: Channel = "provider"
    reason: Text | None = None

    def data(self, scene: Scene) -> dict[str, Any]:
        """What the customer did on the provider's page."""
        return self.model_dump(include={"channel", "reason"}, exclude_none=True)


class CancellationRequested(_AtProvider):
    """Renewal was switched off at the provider."""

    KIND = payments.CancellationRequested
    type: Literal["cancellation-requested"]


class CancellationWithdrawn(Event):
    """Renewal was switched on again at the provider."""

    KIND = payments.CancellationWithdrawn
    type: Literal["cancellation-withdrawn"]
    channel: Channel = "provider"

    def data(self, scene: Scene) -> dict[str, Any]:
        """Only the channel."""
        return {"channel": self.channel}


class PauseRequested(Event):
    """A pause was asked for at the provider."""

    KIND = payments.PauseRequested
    type: Literal["pause-requested"]
    mode: PauseMode | None = None
    resumes_at: When | None = None

    def data(self, scene: Scene) -> dict[str, Any]:
        """Mode and end, as far as given."""
        found: dict[str, Any] = {"mode": self.mode} if self.mode else {}
        return found | ({"resumes_at": scene.text(self.resumes_at)} if self.resumes_at else {})


class ResumeRequested(Event):
    """The end of a pause was asked for at the provider."""

    KIND = payments.ResumeRequested
    type: Literal["resume-requested"]

    def data(self, scene: Scene) -> dict[str, Any]:
        """Nothing more."""
        return {}


class SettingsChanged(Event):
    """Settings were changed at the provider."""

    KIND = payments.SettingsChanged
    type: Literal["settings-changed"]
    seats: Seats | None = None
    term: Term | None = None
    product_id: Ref | None = None
    amount: Amount | None = None

    def data(self, scene: Scene) -> dict[str, Any]:
        """What changed."""
        names = {"seats", "term", "product_id", "amount"}
        return self.model_dump(include=names, exclude_none=True)
