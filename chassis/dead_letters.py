"""Dead letters: what can never be processed leaves through the outbox, with its raw bytes and its origin."""

from collections import deque
from collections.abc import Sequence
from datetime import datetime
from uuid import uuid5

from chassis.errors import DeadLetterLimit
from chassis.outbox import OutboxRow
from chassis.records import Incoming
from contracts.topics import DEAD_LETTERS
from contracts.values import TENURE


def dead_letter(consumer: str, incoming: Incoming, now: datetime, attempts: int = 1) -> OutboxRow:
    """The outbox row of a dead letter; its headers say where it came from and why.

    `attempts` counts refusals: a message that was sent back and is refused again is one more letter.
    """
    record, problem = incoming.record, incoming.problem
    if problem is None:
        raise ValueError("a dead letter needs a problem")
    # A text in PostgreSQL holds everything but NUL.
    key = (record.key or b"").decode(errors="replace").replace("\0", "\ufffd")
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
    headers |= {
        f"origin-{name}": (value or b"").decode(errors="replace") for name, value in record.headers
    }
    seed = f"dead letter\n{consumer}\n{place}\n{now.isoformat()}"
    # The virtual clock may stand still between two attempts.
    event_id = uuid5(TENURE, seed if attempts == 1 else f"{seed}\n{attempts}")
    topic = DEAD_LETTERS[consumer].name
    return OutboxRow(topic, key or place, event_id, "", record.value or b"", headers)


class Limits:
    """Stops a consumer that would drain a topic into the dead letters."""

    def __init__(self, consecutive_max: int, ratio_max: float, window: int = 1000) -> None:
        self._consecutive_max = consecutive_max
        self._ratio_max = ratio_max
        self._recent: deque[bool] = deque(maxlen=window)
        self._consecutive = 0

    def check(self, outcomes: Sequence[bool]) -> int:
        """Look ahead: outcomes in order, True for a dead letter; how many in a row they end with.

        Raises DeadLetterLimit, and nothing is counted.
        """
        in_a_row = self._consecutive
        for dead in outcomes:
            in_a_row = in_a_row + 1 if dead else 0
            if in_a_row >= self._consecutive_max:
                raise DeadLetterLimit(f"{in_a_row} dead letters in a row")
        recent = deque([*self._recent, *outcomes], maxlen=self._recent.maxlen)
        if len(recent) == recent.maxlen and sum(recent) / len(recent) > self._ratio_max:
            raise DeadLetterLimit(f"{sum(recent)} of the last {len(recent)} are dead letters")
        return in_a_row

    def count(self, outcomes: Sequence[bool]) -> None:
        """Count outcomes that are committed. Raises as `check`."""
        self._consecutive = self.check(outcomes)
        self._recent.extend(outcomes)
