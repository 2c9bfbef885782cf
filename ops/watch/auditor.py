"""The live auditor: every subscription's record, and which of them must be looked at when. Pure.

Alerts are judged by what is known at present, never while old records are read again: what went wrong
and came right while nobody watched is not told, and what still stands is told once.
"""

from collections.abc import Iterator
from heapq import heappop, heappush
from uuid import UUID

from contracts.envelope import Envelope
from contracts.operations import Alert, AlertRaised, AlertResolved
from ops.watch.alerts import Told, envelope
from ops.watch.checks import Bounds, Finding, SeenFrom, findings
from ops.watch.fold import fold, subject_of
from ops.watch.record import At, Record

#: What the auditor joins, by the plain name of the topic.
JOINED = ("billing.events", "licensing.events", "notifications.events", "payments.requests")


class Auditor:
    """Hears decoded messages; `due` gives the alerts to tell, by the steady clock of whoever hears."""

    def __init__(self, bounds: Bounds) -> None:
        """Nothing is known yet."""
        self.records: dict[UUID, Record] = {}
        self.told = Told()
        #: From when on the topics are known; what was told before is out of retention.
        self.seen_from: SeenFrom = {}
        self._bounds = bounds
        self._touched: set[UUID] = set()
        self._again: list[tuple[int, str, UUID]] = []
        #: None until somebody looked.
        self._lags: dict[str, Finding] | None = None

    def hear(self, message: Envelope, topic: str, at: At) -> Record | None:
        """Take a message of one of the joined topics or an alert; its record when it was new."""
        if isinstance(message.data, Alert):
            self.told.hear(message.data)
            return None
        if topic not in JOINED:
            return None
        id = subject_of(message)
        if id is None:
            return None
        record = self.records.get(id)
        if record is None:
            record = self.records[id] = Record()
        if not fold(record, message, topic, at):
            return None
        self._touched.add(id)
        return record

    def lags(self, found: dict[str, Finding]) -> None:
        """The services that are behind now, by name."""
        self._lags = found

    def due(self, now_ms: int, told_at_ms: int) -> list[Envelope]:
        """The alerts to tell, each once; `told_at_ms` is the broker's time that they carry.

        `now_ms` is of the same steady clock as what was heard: everything that was told up to then has
        been heard.
        """
        said: list[Envelope] = []
        if self._lags is not None:
            said += self._said(None, "", list(self._lags.values()), now_ms, told_at_ms)
        for id in self._ripe(now_ms):
            record = self.records.get(id)
            if record is None:  # an alert of before, about a subscription that is out of retention
                said += self._said(id, "", [], now_ms, told_at_ms)
                continue
            found = list(findings(id, record, self._bounds, self.seen_from))
            said += self._said(id, record.provider_id, found, now_ms, told_at_ms)
        return said

    def touch_all(self) -> None:
        """Look at everything that is known, after it was read up to the present."""
        self._touched.update(self.records)
        self._touched.update(id for id, places in self.told.places.items() if id and places)

    def _ripe(self, now_ms: int) -> Iterator[UUID]:
        ripe, self._touched = self._touched, set()
        while self._again and self._again[0][0] <= now_ms:
            ripe.add(heappop(self._again)[2])
        return iter(ripe)

    def _said(
        self,
        id: UUID | None,
        provider_id: str,
        found: list[Finding],
        now_ms: int,
        told_at_ms: int,
    ) -> list[Envelope]:
        alerts, again = self.told.due(id, provider_id, found, now_ms)
        if again is not None and id is not None:
            heappush(self._again, (again, str(id), id))
        said = []
        for alert in alerts:
            assert isinstance(alert, AlertRaised | AlertResolved)
            self.told.hear(alert)
            said.append(envelope(alert, provider_id, told_at_ms))
        return said
