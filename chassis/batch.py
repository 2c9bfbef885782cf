"""What one transaction gathers before it is written."""

import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Generic
from uuid import UUID

from chassis import telemetry
from chassis.aggregate import S, Step
from chassis.held import Held
from chassis.inbox import Mark, Settled
from chassis.outbox import OutboxRow
from chassis.records import Incoming
from chassis.rows import Row
from chassis.tracing import Traces, log_fields

if TYPE_CHECKING:
    from opentelemetry.trace import Span


@dataclass(slots=True)
class Batch(Generic[S]):
    """The rows under lock and everything that becomes of the messages; `now` is its instant."""

    now: datetime
    rows: dict[UUID, Row[S]] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    out: list[OutboxRow] = field(default_factory=list)
    #: Held by earlier batches or this one, by row, topic and sequence.
    waiting: dict[UUID, dict[str, dict[int, Held]]] = field(default_factory=dict)
    #: Held by this batch, by topic, key and sequence.
    hold: dict[tuple[str, str, int], Held] = field(default_factory=dict)
    #: Held by earlier batches, and not any more.
    release: list[Held] = field(default_factory=list)
    statuses: dict[Mark, Settled] = field(default_factory=dict)
    #: In order of processing, True for a dead letter.
    dead: list[bool] = field(default_factory=list)
    buried: list[Incoming] = field(default_factory=list)
    #: Sent back by an operator and refused again: how often by now, by the mark of the dead letter.
    attempts: dict[Mark, int] = field(default_factory=dict)
    refused: list[Incoming] = field(default_factory=list)
    #: To be ended at the commit; without one they leave no trace.
    spans: list["Span"] = field(default_factory=list)
    #: When it began; so do its spans.
    since_ns: int = field(default_factory=time.time_ns)
    _outcomes: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def count(self, one: Incoming, outcome: str) -> None:
        """Remember an outcome for the metrics."""
        type = one.envelope.type if one.envelope and not one.ignored else "other"
        self._outcomes[one.record.topic, type, outcome] += 1

    def tell(self, traces: Traces) -> None:
        """Metrics, spans and logs, once the transaction is committed."""
        traces.ended(self.spans)
        for labels, number in self._outcomes.items():
            telemetry.CONSUMED.labels(*labels).inc(number)
        for one in self.buried:
            code = one.problem.code if one.problem else ""
            telemetry.DEAD_LETTERS.labels(one.record.topic, code).inc()
            _log("dead letter", one, traces.refused(one, "dead_letter", self.since_ns))
        for one in self.refused:
            trace = traces.refused(one, "refused", self.since_ns)
            _log("redriven message is refused again", one, trace)


def _log(event: str, one: Incoming, traceparent: str | None) -> None:
    record, problem, envelope = one.record, one.problem, one.envelope
    telemetry.log.warning(
        event,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        code=problem.code if problem else "",
        sentence=problem.sentence if problem else "",
        subscription=str(one.key) if one.key else None,
        correlation=envelope.correlationid if envelope else None,
        **log_fields(traceparent),
    )
