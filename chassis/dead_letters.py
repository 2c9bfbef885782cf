"""Dead letters: what can never be processed leaves through the outbox, with its raw bytes and its origin."""

from collections import deque
from datetime import datetime
from uuid import uuid5

from chassis.errors import DeadLetterLimit
from chassis.outbox import OutboxRow
from chassis.records import Incoming
from contracts.topics import DEAD_LETTERS
from contracts.values import TENURE


def dead_letter(consumer: str, incoming: Incoming, now: datetime, attempts: int = 1) -> OutboxRow:
    """The outbox row of a dead letter; its headers say where it came from and why."""
    record, problem = incoming.record, incoming.problem
    if problem is None:
        raise ValueError("a dead letter needs a problem")
    key = (record.key or b"").decode(errors="replace")
    place = f"{record.topic}/{record.partition}/{record.offset}"
    headers = {
        "dlq-topic": record.topic,
        "dlq-partition": str(record.partition),
        "dlq-offset": str(record.offset),
        "dlq-timestamp": str(record.timestamp_ms),
        "dlq-consumer": consumer,
        "dlq-code": problem.code,
        "dlq-error": problem.sentence,
        "dlq-attempts": str(attempts),
        "dlq-id": incoming.envelope.id if incoming.envelope else "",
        "dlq-subject": key,
        "dlq-at": now.isoformat(),
    }
    headers |= {f"origin-{name}": value.decode(errors="replace") for name, value in record.headers}
    event_id = uuid5(TENURE, f"dead letter\n{consumer}\n{place}\n{now.isoformat()}")
    topic = DEAD_LETTERS[consumer].name
    return OutboxRow(topic, key or place, event_id, "", record.value or b"", headers)


class Limits:
    """Stops a consumer that would drain a topic into the dead letters."""

    def __init__(self, consecutive_max: int, ratio_max: float, window: int = 1000) -> None:
        self._consecutive_max = consecutive_max
        self._ratio_max = ratio_max
        self._recent: deque[bool] = deque(maxlen=window)
        self._consecutive = 0

    def count(self, outcomes: list[bool]) -> None:
        """Count outcomes in order, True for a dead letter. Raises DeadLetterLimit."""
        for dead in outcomes:
            self._recent.append(dead)
            self._consecutive = self._consecutive + 1 if dead else 0
            if self._consecutive >= self._consecutive_max:
                raise DeadLetterLimit(f"{self._consecutive} dead letters in a row")
        full = len(self._recent) == self._recent.maxlen
        if full and sum(self._recent) / len(self._recent) > self._ratio_max:
            raise DeadLetterLimit(
                f"{sum(self._recent)} of the last {len(self._recent)} are dead letters"
            )
