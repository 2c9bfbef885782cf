"""The made-up aggregate as a service process, in billing's place: `python -m tests.chassis.tally_service`."""

from pathlib import Path

from chassis.service import ServiceDefinition, run_service
from chassis.settings import load_settings
from contracts.topics import BILLING_COMMANDS, NOTIFICATIONS_EVENTS
from tests.chassis import tally
from tests.chassis.streams import TallySettings


def define() -> ServiceDefinition:
    """Commands and mail outcomes are noted."""
    return ServiceDefinition(
        name="billing",
        settings=load_settings(TallySettings),
        aggregate=tally.aggregate(),
        topics=(BILLING_COMMANDS, NOTIFICATIONS_EVENTS),
        sql=Path(__file__).parent / "sql",
    )


if __name__ == "__main__":
    run_service(define)
