"""Alerts: which stand, which were told, and what is to be told now. Pure.

The id of an alert follows from its code, its subscription, what it is about, and the events that cause
it: a replay finds the same ids again, and what `ops.alerts` holds already is not told twice.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

from contracts.catalogue import ENVELOPES
from contracts.envelope import OWN_SOURCE, Envelope
from contracts.operations import Alert, AlertCode, AlertRaised, AlertResolved
from contracts.values import TENURE
from ops.watch.checks import Finding

#: The provider of an alert that is about a service.
NO_PROVIDER = "-"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Code, subscription and what it is about: one alert of these stands at a time.
Place = tuple[AlertCode, UUID | None, str]


def alert_id(finding: Finding, subscription_id: UUID | None) -> UUID:
    """The id of the alert about a finding."""
    causes = sorted(finding.evidence)
    return uuid5(TENURE, "\n".join([finding.code, str(subscription_id), finding.about, *causes]))


def raised(finding: Finding, subscription_id: UUID | None, provider_id: str) -> AlertRaised:
    """What is told about a finding."""
    return AlertRaised(
        alert_id=alert_id(finding, subscription_id),
        code=finding.code,
        sentence=finding.sentence[:200],
        subscription_id=subscription_id,
        about=finding.about,
        evidence=finding.evidence[:20],
        suggested_command=finding.command[:200],
    )


def envelope(data: AlertRaised | AlertResolved, provider_id: str, told_at_ms: int) -> Envelope:
    """The message about an alert, at an instant of the broker's clock."""
    word = "raised" if isinstance(data, AlertRaised) else "resolved"
    at = _EPOCH + timedelta(milliseconds=told_at_ms)
    return ENVELOPES[data.TYPE](
        specversion="1.0",
        id=str(uuid5(data.alert_id, word)),
        source=f"{OWN_SOURCE}ops",
        type=data.TYPE,
        subject=str(data.subscription_id or data.about),
        time=at,
        recordedat=at,
        datacontenttype="application/json",
        dataschema=f"urn:tenure:{data.TYPE}",
        providerid=provider_id or NO_PROVIDER,
        causationid=data.evidence[-1] if data.evidence else None,
        data=data,
    )


@dataclass(slots=True)
class Told:
    """What `ops.alerts` holds: the alerts that are open, and the ids that were ever raised or resolved."""

    open: dict[Place, Alert] = field(default_factory=dict)
    raised: set[UUID] = field(default_factory=set)
    resolved: set[UUID] = field(default_factory=set)
    #: The same open ones by subscription.
    places: dict[UUID | None, set[Place]] = field(default_factory=dict)

    def hear(self, alert: Alert) -> None:
        """Take a message of `ops.alerts`, our own included; repetitions and any order are free."""
        place = (alert.code, alert.subscription_id, alert.about)
        if isinstance(alert, AlertResolved):
            self.resolved.add(alert.alert_id)
            known = self.open.get(place)
            if known and known.alert_id == alert.alert_id:
                del self.open[place]
                self.places[alert.subscription_id].discard(place)
        elif alert.alert_id not in self.raised:
            self.raised.add(alert.alert_id)
            if alert.alert_id not in self.resolved:
                self.open[place] = alert
                self.places.setdefault(alert.subscription_id, set()).add(place)

    def due(
        self, subscription_id: UUID | None, provider_id: str, found: Iterable[Finding], now_ms: int
    ) -> tuple[list[Alert], int | None]:
        """What to raise and to resolve now, and when to look again (None: when something new is told).

        An alert that stands is not raised again while it does, even when its evidence grows.
        """
        say: list[Alert] = []
        again: int | None = None
        standing: set[Place] = set()
        for finding in found:
            place = (finding.code, subscription_id, finding.about)
            standing.add(place)
            if place in self.open:
                continue
            if finding.due_ms > now_ms:
                again = min(again or finding.due_ms, finding.due_ms)
                continue
            alert = raised(finding, subscription_id, provider_id)
            if alert.alert_id not in self.raised:
                say.append(alert)
        for place in self.places.get(subscription_id, set()) - standing:
            say.append(AlertResolved.model_validate(self.open[place].model_dump()))
        return say, again
