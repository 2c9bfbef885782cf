"""No false alert: whatever happens to a subscription, what the services tell contents the live auditor.

The lives are those of the invariants, decades long and mixed; after each step all that was told has
arrived, so nothing may be wrong, however long it stands.
"""

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import invariant

from contracts.topics import TOPIC_OF
from ops.watch.checks import Bounds, Finding, findings
from ops.watch.fold import fold
from ops.watch.record import At, Record
from tests.domain.test_invariants import Lives
from tests.support.life import Life

_OURS = ("billing.events", "licensing.events", "notifications.events")
pytestmark = pytest.mark.timeout(300)


def found(life: Life) -> list[Finding]:
    """What the auditor finds after everything that was told in a life."""
    record = Record()
    for at_ms, message in enumerate(life.play.heard):
        topic = TOPIC_OF[message.type].name
        if topic in _OURS:
            fold(record, message, topic, At(at_ms, at_ms))
    return list(findings(life.play.id, record, Bounds()))


class WatchedLives(Lives):
    """The same lives, watched."""

    @invariant()
    def the_audit_finds_nothing(self) -> None:
        """The live auditor instead of the audit: mails that still wait for a contact may be missing."""
        wrong = [f for f in found(self.life) if f.code != "PAID_NOT_CONFIRMED"]
        assert not wrong, "\n".join(map(str, wrong))


TestWatchedLives = pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")(
    WatchedLives.TestCase
)
TestWatchedLives.settings = settings(
    max_examples=60,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
