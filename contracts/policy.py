"""Provider policy packs: what a provider offers, as a typed, versioned, effective-dated value (S-05)."""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import quote

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationInfo,
    field_validator,
)

from contracts.base import Frozen
from contracts.errors import Misconfigured
from contracts.payments import Region, TimeZone
from contracts.values import Channel, PauseMode, PaymentKind, Ref, Text

T = TypeVar("T")
_PLACE = "{reference}"
_DAY = timedelta(days=1)
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


def _each_once(values: tuple[T, ...]) -> tuple[T, ...]:
    twice = dict.fromkeys(str(value) for value in values if values.count(value) > 1)
    if twice:
        raise ValueError(f"must name each value once; {', '.join(twice)} is named again")
    return values


Once = AfterValidator(_each_once)
SettingName = Literal["seats", "term", "product_id"]


def _only_our_place(link: str) -> str:
    # A page of one address for all customers is allowed (S-55); a misspelt place would reach their mails.
    if set("{}") & set(link.replace(_PLACE, "")):
        raise ValueError(f"must have no braces but those of {_PLACE}")
    return link


Link = Annotated[
    str,
    StringConstraints(max_length=500, pattern=r"^https://[!-~]+$"),
    AfterValidator(_only_our_place),
]


def _whole_days(window: timedelta | None) -> timedelta | None:
    if window is not None and (window < _DAY or window % _DAY):
        raise ValueError("must be whole days such as P30D, or null for no refunds")
    return window


class ProviderPolicy(Frozen):
    """One version of one provider's pack (S-02). Durations are ISO 8601 (`P7D`); `PT0S` means not offered.

    A field is judged together with those above it, so that all faults of a pack are told at once.
    """

    provider_id: Ref
    effective_from: Annotated[date, Field(ge=date(2000, 1, 1), lt=date(2150, 1, 1))]
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
    cancel_routes: Annotated[tuple[Channel, ...], Field(min_length=1), Once]
    cancel_in_grace: Literal["end_now", "at_grace_end"]
    #: Channels on which a cancellation is finished on the provider's own page (S-59).
    cancel_handover: Annotated[tuple[Channel, ...], Once]
    #: How long the provider has to confirm such a cancellation before an operator should ask.
    cancel_handover_within: Span
    #: The pauses offered, the usual one first; none: no pause (S-03).
    pause_modes: Annotated[tuple[PauseMode, ...], Once]
    max_pause: Span
    #: How long after its start a pause leaves everything usable.
    pause_grace: Span
    #: What customers can change by themselves (S-01).
    settings_changes: Annotated[tuple[SettingName, ...], Once]
    #: Whether an open dispute takes access away until it is decided.
    hold_on_dispute: bool
    #: Whole days after the order in which a refund can be asked for; null: no refunds (S-41).
    refund_window: Annotated[Span | None, AfterValidator(_whole_days)]
    refund_tz: TimeZone
    refundable_kinds: Annotated[tuple[PaymentKind, ...], Once]
    billing_tz: TimeZone
    #: Whose public holidays are no business days (S-45): an ISO 3166 code such as DE; null: none.
    holidays: Region | None
    #: The holidays themselves, which the loader of the packs fills in.
    holiday_dates: frozenset[date] = Field(default=frozenset(), exclude=True)

    @field_validator("renewal_charge_lead")
    @classmethod
    def _reminded_before_charged(cls, value: timedelta, info: ValidationInfo) -> timedelta:
        if value >= info.data.get("renewal_reminder_lead", timedelta.max):
            raise ValueError("must be shorter than renewal_reminder_lead")
        return value

    @field_validator("reminder_min_notice")
    @classmethod
    def _notice_fits(cls, value: timedelta, info: ValidationInfo) -> timedelta:
        reminder, charge = (
            info.data.get(f"renewal_{each}_lead") for each in ("reminder", "charge")
        )
        if reminder is not None and charge is not None and value > reminder - charge:
            raise ValueError(
                "must not be longer than renewal_reminder_lead less renewal_charge_lead: "
                f"at most {_DURATION.dump_python(reminder - charge, mode='json')}"
            )
        return value

    @field_validator("cancel_handover")
    @classmethod
    def _handed_over_or_taken(
        cls, value: tuple[Channel, ...], info: ValidationInfo
    ) -> tuple[Channel, ...]:
        both = [channel for channel in value if channel in info.data.get("cancel_routes", ())]
        if both:
            raise ValueError(f"must not name what cancel_routes names: {', '.join(both)}")
        return value

    @field_validator("cancel_handover_within")
    @classmethod
    def _time_to_confirm(cls, value: timedelta, info: ValidationInfo) -> timedelta:
        _only_with("cancel_handover", value, info)
        return value

    @field_validator("max_pause", "pause_grace")
    @classmethod
    def _only_with_a_pause(cls, value: timedelta, info: ValidationInfo) -> timedelta:
        if info.field_name == "max_pause" or value:
            _only_with("pause_modes", value, info)
        return value

    @field_validator("refundable_kinds")
    @classmethod
    def _kinds_with_a_window(
        cls, value: tuple[PaymentKind, ...], info: ValidationInfo
    ) -> tuple[PaymentKind, ...]:
        if "refund_window" in info.data and (info.data["refund_window"] is None) != (not value):
            raise ValueError(
                "must name at least one kind while there is a refund_window"
                if not value
                else "must be [] while refund_window is null"
            )
        return value

    @cached_property
    def version(self) -> str:
        """The name of this version, stamped on facts: its effective date."""
        return self.effective_from.isoformat()

    def link(self, reference: str) -> str:
        """The management link of one subscription; the reference is quoted for a path."""
        return self.management_url.replace(_PLACE, quote(reference, safe=""))


def _only_with(names: str, value: timedelta, info: ValidationInfo) -> None:
    named = info.data.get(names)
    if named is not None and bool(named) != bool(value):
        raise ValueError(
            f"must be longer than PT0S while {names} is not empty"
            if named
            else f"must be PT0S while {names} is []"
        )


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
