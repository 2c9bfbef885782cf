"""Structured logs and metrics. Each metric says what it counts and what to do when it moves."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from prometheus_client import Counter, Gauge, Histogram

from chassis.errors import ConfigurationError
from contracts.errors import Misconfigured

log: structlog.stdlib.BoundLogger = structlog.get_logger("tenure")

CONSUMED = Counter(
    "tenure_messages_consumed_total",
    "Messages by outcome: done, duplicate, held, ignored, refused (sent back, but no better)."
    " Many held: a gap, see `tenure status`.",
    ["topic", "type", "outcome"],
)
DEAD_LETTERS = Counter(
    "tenure_dead_letters_total",
    "Messages that can never be processed. Look at them with `tenure dlq list`.",
    ["topic", "code"],
)
BATCH_SECONDS = Histogram(
    "tenure_batch_seconds",
    "Time of one batch transaction. Rising: the database is slow or batches are contended.",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
TRANSIENT_ERRORS = Counter(
    "tenure_transient_errors_total",
    "Work that was tried again. Rising: the database or broker is away.",
    ["where"],
)
PUBLISHED = Counter("tenure_messages_published_total", "Outbox messages published.", ["topic"])
OUTBOX_DEAD = Counter(
    "tenure_outbox_dead_total",
    "Messages that Kafka refuses for size or name; their key is blocked. See `tenure status`.",
)
DUE_ROWS = Counter("tenure_due_rows_total", "Deadlines that were acted upon.")
SPANS = Counter(
    "tenure_trace_spans_total",
    "Spans by outcome: made, sent, lost. Made, but neither: they wait, or the queue was full.",
    ["outcome"],
)
READY = Gauge("tenure_ready", "1 when the service does its work; 0: see /readyz for the reason.")


def set_up_logging(level: str, form: str, service: str) -> None:
    """Send all logs, ours and the libraries', as one JSON line each (or coloured) to stderr."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer()
    )

    def named(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["service"] = service
        return event

    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_without_trace)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                named,
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for noisy in ("aiokafka", "kafka", "uvicorn.access", "mode"):
        logging.getLogger(noisy).setLevel("WARNING")


def _without_trace(record: logging.LogRecord) -> bool:
    """What only a changed setup cures says so in a sentence; where it was found helps nobody."""
    if record.exc_info and isinstance(record.exc_info[1], ConfigurationError | Misconfigured):
        record.exc_info = None
    return True
