"""Which alerts `ops.alerts` tells of, each once, and which of them stand. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from contracts.operations import AlertRaised, AlertResolved
from ops.tail_lines import understood


@dataclass(frozen=True)
class Known:
    """One alert; `resolved_at` is None while it stands. Instants are the broker's."""

    alert: AlertRaised | AlertResolved
    raised_at: datetime
    resolved_at: datetime | None

    def to_json(self) -> dict[str, Any]:
        """The alert as plain data."""
        return {
            **self.alert.model_dump(mode="json"),
            "raised_at": self.raised_at,
            "resolved_at": self.resolved_at,
        }


class AlertBoard:
    """Hears what stands on `ops.alerts`, the messages of each alert in their order."""

    def __init__(self) -> None:
        """Nothing was heard yet."""
        self._known: dict[UUID, Known] = {}

    def hear(self, value: bytes | None) -> None:
        """Take the value of one record; repetitions are free, and what is no alert is passed over."""
        message = understood(value)
        if message is None:
            return
        data = message.data
        if isinstance(data, AlertRaised):
            self._known.setdefault(data.alert_id, Known(data, message.time, None))
        elif isinstance(data, AlertResolved):
            before = self._known.get(data.alert_id)
            raised_at = before.raised_at if before else message.time
            self._known[data.alert_id] = Known(data, raised_at, message.time)

    @property
    def known(self) -> list[Known]:
        """All alerts, oldest first."""
        return sorted(self._known.values(), key=lambda each: each.raised_at)

    @property
    def standing(self) -> list[Known]:
        """Those that stand, oldest first."""
        return [known for known in self.known if known.resolved_at is None]
