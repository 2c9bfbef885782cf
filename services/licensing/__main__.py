"""What runs in the licensing process."""

from pathlib import Path

from chassis.service import ServiceDefinition, run_service
from chassis.settings import load_settings
from contracts.topics import BILLING_EVENTS
from policies import load_policies
from services.licensing.settings import LicensingSettings
from services.licensing.store import licenses


def licensing() -> ServiceDefinition:
    """Licensing: what billing tells becomes access over time."""
    return ServiceDefinition(
        name="licensing",
        settings=load_settings(LicensingSettings),
        aggregate=licenses(load_policies()),
        topics=(BILLING_EVENTS,),
        sql=Path(__file__).parent / "sql",
    )


if __name__ == "__main__":
    run_service(licensing)
