"""Traces by OpenTelemetry: which trace a message belongs to, and whether spans are recorded at all.

Without an endpoint nothing of the SDK is loaded; what others began is passed on, so that no trace is cut.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from chassis.records import Incoming
from chassis.settings import KafkaSettings, load_settings
from contracts.envelope import TRACEPARENT, Envelope
from contracts.outgoing import TimePassed

if TYPE_CHECKING:
    from opentelemetry.trace import Span

#: W3C Trace Context: version, trace, span and flags; all zeros name nothing.
_VALID = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_PROTOCOL = "http/protobuf"
_SAMPLERS = ("always_on", "always_off", "traceidratio")
Attributes = Mapping[str, str | int]


class TracingSettings(BaseSettings):
    """OpenTelemetry's own variables, as far as we read them; the SDK reads the rest."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, env_ignore_empty=True)

    otel_exporter_otlp_endpoint: str | None = None
    otel_exporter_otlp_traces_endpoint: str | None = None
    otel_exporter_otlp_protocol: str = _PROTOCOL
    otel_exporter_otlp_traces_protocol: str | None = None
    otel_traces_exporter: str = "otlp"
    otel_traces_sampler: str = "parentbased_always_on"
    otel_traces_sampler_arg: str = "1"
    otel_sdk_disabled: str = "false"

    @field_validator("otel_exporter_otlp_endpoint", "otel_exporter_otlp_traces_endpoint")
    @classmethod
    def _address(cls, url: str | None) -> str | None:
        try:
            parts = urlsplit(url or "")
            usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            usable = False
        if url is not None and (not usable or re.search(r"\s", url)):
            raise ValueError("It must be http://host:port or https://host:port")
        return url

    @model_validator(mode="after")
    def _supported(self) -> Self:
        """What would lose every span without a word is refused, but only where spans are recorded."""
        if self.endpoint is None:
            return self
        if self.otel_traces_exporter != "otlp":
            raise ValueError("OTEL_TRACES_EXPORTER: It must be otlp or none")
        own = self.otel_exporter_otlp_traces_protocol
        if (own or self.otel_exporter_otlp_protocol) != _PROTOCOL:
            name = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL" if own else "OTEL_EXPORTER_OTLP_PROTOCOL"
            raise ValueError(f"{name}: It must be {_PROTOCOL}, the port usually 4318")
        sampler = self.otel_traces_sampler
        if sampler.removeprefix("parentbased_") not in _SAMPLERS:
            raise ValueError(
                f"OTEL_TRACES_SAMPLER: It must be {', '.join(_SAMPLERS)}, or one with parentbased_ before it"
            )
        if sampler.endswith("ratio") and not _is_share(self.otel_traces_sampler_arg):
            raise ValueError("OTEL_TRACES_SAMPLER_ARG: It must be a number from 0 to 1")
        return self

    @property
    def endpoint(self) -> str | None:
        """Where spans are handed in; None when none are recorded."""
        if self.otel_sdk_disabled.lower() == "true" or self.otel_traces_exporter == "none":
            return None
        if self.otel_exporter_otlp_traces_endpoint or not self.otel_exporter_otlp_endpoint:
            return self.otel_exporter_otlp_traces_endpoint
        return f"{self.otel_exporter_otlp_endpoint.rstrip('/')}/v1/traces"


def _is_share(text: str) -> bool:
    try:
        return 0 <= float(text) <= 1
    except ValueError:
        return False


def given(one: Incoming) -> str | None:
    """The trace that a message came with: in its envelope, else in the record's header; None for nonsense."""
    text = one.envelope.traceparent if one.envelope else None
    if text is None:
        for name, value in one.record.headers:
            if name == TRACEPARENT:
                text = (value or b"").decode(errors="replace")
    return text if text and _VALID.fullmatch(text) else None


def log_fields(traceparent: str | None) -> dict[str, str]:
    """What a log line says of its trace."""
    return {"trace_id": traceparent[3:35]} if traceparent else {}


class Call:
    """One request to a server of others, as part of a trace. Not recorded here: see `chassis.spans`."""

    def __init__(self, traceparent: str | None) -> None:
        """What follows from the call belongs to `traceparent`."""
        self.traceparent = traceparent

    def end(self, outcome: str, attributes: Attributes, *, failed: bool) -> None:
        """The server answered, or did not."""


class Traces:
    """Nothing is recorded: what came with a trace goes on in it."""

    def message(self, one: Incoming, since_ns: int) -> tuple[Envelope | None, "Span | None"]:
        """The message as it is decided, within its trace; a span to be ended at the commit."""
        envelope, traceparent = one.envelope, given(one)
        if envelope is None or envelope.traceparent == traceparent:
            return envelope, None
        return envelope.model_copy(update={TRACEPARENT: traceparent}), None

    def refused(self, one: Incoming, outcome: str, since_ns: int) -> str | None:
        """A message has become a dead letter, or is one again; its trace."""
        return given(one)

    def deadline(
        self, id: UUID, due_at: datetime | None, message: TimePassed, since_ns: int
    ) -> tuple[TimePassed, "Span | None"]:
        """The deadline as it is decided, with a span to be ended at the commit."""
        return message, None

    def call(self, name: str, traceparent: str | None, attributes: Attributes) -> Call:
        """A request to a server of others begins."""
        return Call(traceparent)

    def ended(self, spans: Sequence["Span"]) -> None:
        """What these tell is committed."""

    async def close(self) -> None:
        """Hand over what is left, within a bound."""


OFF = Traces()


def traces_of(service: str, settings: KafkaSettings) -> Traces:
    """What records the spans of a service. Raises ConfigurationError for variables that cannot be used."""
    chosen = load_settings(TracingSettings)
    if chosen.endpoint is None:
        return OFF
    from chassis.spans import Recorder  # the SDK is loaded where it is used only

    return Recorder(service, settings, chosen.endpoint)
