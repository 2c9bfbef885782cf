"""The facts of what people want: cancelling, pausing, other settings, days of goodwill."""

from dataclasses import dataclass
from typing import Literal

from contracts.values import Channel, Instant, Money, PauseMode, Ref, Seats, Term
from services.billing.domain.fact import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class Canceled(Fact):
    """Automatic renewal was switched off; the fact_id is the cancellation_id."""

    fact: Literal["canceled"] = "canceled"
    channel: Channel
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncanceled(Fact):
    """Automatic renewal was switched on again."""

    fact: Literal["uncanceled"] = "uncanceled"
    channel: Channel


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedOver(Fact):
    """Verdict: the customer was passed on to the provider's page to cancel there (S-59)."""

    fact: Literal["handed-over"] = "handed-over"
    channel: Channel
    expected_by: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseRequested(Fact):
    """A pause was asked for; the fact_id is the pause_id.

    `granted` by a command is a verdict and stays; one asked for at the provider is judged in its place.
    """

    fact: Literal["pause-requested"] = "pause-requested"
    channel: Channel
    #: None: the provider's usual one.
    mode: PauseMode | None = None
    resumes_at: Instant | None = None
    granted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeRequested(Fact):
    """The open pause is to end, or the scheduled one is not wanted; `granted` as with a pause."""

    fact: Literal["resume-requested"] = "resume-requested"
    granted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Extended(Fact):
    """Verdict: an operator gave days of goodwill."""

    fact: Literal["extended"] = "extended"
    days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsChanged(Fact):
    """Seats, term, product or the price of renewals are others; only what was told is set (S-01)."""

    fact: Literal["settings-changed"] = "settings-changed"
    seats: Seats | None = None
    term: Term | None = None
    product_id: Ref | None = None
    amount: Money | None = None
