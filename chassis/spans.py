"""Spans by OpenTelemetry's SDK, handed to a collector from a thread of its own. Loaded only with an endpoint.

A span of a message or deadline is ended when its transaction is committed: what was rolled back leaves none.
No global provider is set, so that no library records anything by itself.
"""

import asyncio
import logging
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from threading import Thread
from uuid import UUID

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from chassis.errors import ConfigurationError
from chassis.records import Incoming
from chassis.settings import KafkaSettings
from chassis.telemetry import SPANS, log
from chassis.tracing import Attributes, Call, Traces, given
from contracts.envelope import TRACEPARENT, Envelope
from contracts.outgoing import TimePassed

#: For one batch of spans with all its repetitions, where OTEL_EXPORTER_OTLP_TIMEOUT says nothing.
_TIMEOUT_S = 5.0
_FAREWELL_S = 2.0
#: A collector that stays away is told of this often.
_REPEAT_S = 60.0
_ROOT = Context()


class _Exporter(SpanExporter):
    """Counts what the collector takes, and says once a minute that it does not."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._lost = 0
        self._said_at: float | None = None

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Hand over a batch, in the processor's thread."""
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            SPANS.labels("sent").inc(len(spans))
            if self._said_at is not None:
                log.info("the collector takes spans again", lost=self._lost)
            self._lost, self._said_at = 0, None
            return result
        SPANS.labels("lost").inc(len(spans))
        self._lost += len(spans)
        now = time.monotonic()
        if self._said_at is None or now - self._said_at > _REPEAT_S:
            log.warning("the collector does not take our spans", lost=self._lost)
            self._said_at = now
        return result

    def shutdown(self) -> None:
        """No more batches."""
        self._exporter.shutdown()


class Recorder(Traces):
    """Records a span for what the service decides and for its calls to servers of others."""

    def __init__(self, service: str, settings: KafkaSettings, endpoint: str) -> None:
        """Starts the thread that hands over. Raises ConfigurationError as the SDK refuses a variable."""
        told = any(os.environ.get(f"OTEL_EXPORTER_OTLP_{name}TIMEOUT") for name in ("", "TRACES_"))
        try:
            exporter = OTLPSpanExporter(endpoint=endpoint, timeout=None if told else _TIMEOUT_S)
            self._provider = TracerProvider(resource=_resource(service), shutdown_on_exit=False)
            self._provider.add_span_processor(BatchSpanProcessor(_Exporter(exporter)))
        except (ValueError, OSError) as error:
            raise ConfigurationError(f"An OTEL_ variable cannot be used: {error}.") from None
        # From here on `_Exporter` says what there is to say; the libraries would for every attempt.
        for name in ("opentelemetry", "urllib3"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._tracer = self._provider.get_tracer("tenure")
        self._prefix = settings.kafka_topic_prefix
        self._usual: dict[str, str | int] = {
            "messaging.system": "kafka",
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.consumer.group.name": f"{settings.kafka_group_prefix}tenure.{service}",
        }

    def message(self, one: Incoming, since_ns: int) -> tuple[Envelope | None, Span | None]:
        """The message as part of a new span, which begins with its batch."""
        if one.envelope is None:
            return None, None
        span = self._of(one, "done", since_ns)
        return one.envelope.model_copy(update={TRACEPARENT: _written(span)}), span

    def refused(self, one: Incoming, outcome: str, since_ns: int) -> str:
        """A span that failed, with the code of the dead letter."""
        span = self._of(one, outcome, since_ns)
        code = one.problem.code if one.problem else ""
        span.set_attribute("error.type", code)
        span.set_status(StatusCode.ERROR, code)
        self.ended([span])
        return _written(span)

    def deadline(
        self, id: UUID, due_at: datetime | None, message: TimePassed, since_ns: int
    ) -> tuple[TimePassed, Span]:
        """The deadline as the root of a trace of its own: nobody asked for it but time."""
        attributes = {
            "tenure.subscription_id": str(id),
            "tenure.due_at": due_at.isoformat() if due_at else "",
            "tenure.outcome": "done",
        }
        span = self._tracer.start_span(
            "process deadline", _ROOT, attributes=attributes, start_time=since_ns
        )
        return replace(message, traceparent=_written(span)), span

    def call(self, name: str, traceparent: str | None, attributes: Attributes) -> Call:
        """A span that lasts as long as the call."""
        return _Call(
            self._tracer.start_span(name, _within(traceparent), SpanKind.CLIENT, attributes)
        )

    def _of(self, one: Incoming, outcome: str, since_ns: int) -> Span:
        record, envelope = one.record, one.envelope
        topic = self._prefix + record.topic
        attributes = {
            **self._usual,
            "messaging.destination.name": topic,
            "messaging.destination.partition.id": str(record.partition),
            "messaging.kafka.offset": record.offset,
            "tenure.outcome": outcome,
        }
        if envelope is not None:
            attributes["messaging.message.id"] = envelope.id
        if one.key is not None:
            attributes["tenure.subscription_id"] = str(one.key)
        name = f"process {envelope.type if envelope is not None else topic}"
        return self._tracer.start_span(
            name, _within(given(one)), SpanKind.CONSUMER, attributes, start_time=since_ns
        )

    def ended(self, spans: Sequence[Span]) -> None:
        """Give spans to the thread that hands over; those that are not sampled are not recorded."""
        for span in spans:
            _end(span)

    async def close(self) -> None:
        """Hand over what is left, for two seconds at most; a thread that hangs ends with the process."""
        loop, gone = asyncio.get_running_loop(), asyncio.Event()

        def leave() -> None:
            self._provider.shutdown()
            with suppress(RuntimeError):  # it took longer than the loop lived
                loop.call_soon_threadsafe(gone.set)

        Thread(target=leave, daemon=True).start()
        with suppress(TimeoutError):
            await asyncio.wait_for(gone.wait(), _FAREWELL_S)


class _Call(Call):
    def __init__(self, span: Span) -> None:
        super().__init__(_written(span))
        self._span = span

    def end(self, outcome: str, attributes: Attributes, *, failed: bool) -> None:
        self._span.set_attribute("tenure.outcome", outcome)
        self._span.set_attributes(attributes)
        if failed:
            self._span.set_attribute("error.type", outcome)
            self._span.set_status(StatusCode.ERROR, outcome)
        _end(self._span)


def _end(span: Span) -> None:
    if span.is_recording():
        SPANS.labels("made").inc()
        span.end()


def _resource(service: str) -> Resource:
    """Who we are: as OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say, else by the service's name."""
    found = Resource.create()
    if str(found.attributes[SERVICE_NAME]).startswith("unknown_service"):
        return found.merge(Resource({SERVICE_NAME: f"tenure-{service}"}))
    return found


def _within(traceparent: str | None) -> Context:
    """The context of a span whose parent is with somebody else; no parent: the root of a trace."""
    if traceparent is None:
        return _ROOT
    _, trace, span, flags = traceparent.split("-")
    parent = SpanContext(int(trace, 16), int(span, 16), True, TraceFlags(int(flags, 16)))
    return set_span_in_context(NonRecordingSpan(parent), _ROOT)


def _written(span: Span) -> str:
    """A span as W3C writes it."""
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
