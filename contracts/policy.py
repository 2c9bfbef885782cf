"""Provider policy packs: what a provider offers, as a typed, versioned, effective-dated value (S-05)."""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints, TypeAdapter

from contracts.base import Frozen
from contracts.errors import Misconfigured
from contracts.payments import TimeZone
from contracts.values import Channel, PaymentKind, Ref, Text

Link = Annotated[str, StringConstraints(max_length=500, pattern=r"^https://[!-~]+$")]
_is_duration = re.compile(
    r"P(\d+W|(?=[\dT])(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+S)?)?)", re.ASCII
).fullmatch
_DURATION = TypeAdapter(timedelta)


def _exact(value: Any) -> Any:
    # Pydantic alone would take P1M for 30 days, and also other notations.
    if not isinstance(value, str):
        return value
    if not _is_duration(value):
        raise ValueError(
            "must be an ISO 8601 duration in weeks, days or hours such as P7D or PT23H"
        )
    return _DURATION.validate_python(value)


Span = Annotated[
    timedelta, Field(ge=timedelta(0), le=timedelta(days=3660)), BeforeValidator(_exact)
]


class ProviderPolicy(Frozen):
    """One version of one provider's pack. Durations are ISO 8601 (`P7D`); `PT0S` means not offered."""

    provider_id: Ref
    effective_from: date
    name: Text
    #: Where customers manage their subscription; `{reference}` is replaced (S-04, S-54).
    management_url: Link
    #: Who charges renewals: we ask for them, or the provider does it by itself.
    charge: Literal["by_us", "by_provider"]
    renewal_reminder_lead: Span
    renewal_charge_lead: Span
    #: A charge waits until the reminder was accepted this long ago, never past the end (Q19).
    reminder_min_notice: Span
    unproven_reminder: Literal["charge", "wait"]
    grace: Span
    hold: Span
    incomplete_ttl: Span
    cancel_routes: Annotated[tuple[Channel, ...], Field(min_length=1)]
    cancel_in_grace: Literal["end_now", "at_grace_end"]
    #: Whole days after the order in which a refund can be asked for; null: no refunds (S-41).
    refund_window: Span | None
    refund_tz: TimeZone
    refundable_kinds: tuple[PaymentKind, ...]
    billing_tz: TimeZone

    @cached_property
    def version(self) -> str:
        """The name of this version, stamped on facts: its effective date."""
        return self.effective_from.isoformat()

    def link(self, reference: str) -> str:
        """The management link of one subscription."""
        return self.management_url.replace("{reference}", reference)


class UnknownPolicy(Misconfigured):
    """No pack is loaded for this provider or stamped version."""


@dataclass(frozen=True)
class Policies:
    """Every version of every provider's pack."""

    packs: dict[str, tuple[ProviderPolicy, ...]]

    def knows(self, provider_id: str) -> bool:
        """Whether any pack of the provider is loaded."""
        return provider_id in self.packs

    def in_force(self, provider_id: str, at: datetime) -> ProviderPolicy:
        """The version in force at an instant; before the first one, the first one. Raises UnknownPolicy."""
        versions = self.packs.get(provider_id)
        if not versions:
            raise UnknownPolicy(f"no policy pack of provider '{provider_id}' is loaded")
        begun = [pack for pack in versions if pack.effective_from <= at.date()]
        return begun[-1] if begun else versions[0]

    def stamped(self, provider_id: str, version: str) -> ProviderPolicy:
        """The version that is stamped on a fact. Raises UnknownPolicy."""
        for pack in self.packs.get(provider_id, ()):
            if pack.version == version:
                return pack
        raise UnknownPolicy(f"policy version '{version}' of provider '{provider_id}' is not loaded")
