"""What runs in the licensing process."""

from chassis.service import ServiceDefinition, run_service
from chassis.settings import load_settings
from contracts.topics import BILLING_EVENTS
from policies import load_policies
from services.licensing.settings import LicensingSettings
from services.licensing.store import licenses


def main() -> None:
    """Run licensing until it is told to stop."""
    run_service(
        ServiceDefinition(
            name="licensing",
            settings=load_settings(LicensingSettings),
            aggregate=licenses(load_policies()),
            topics=(BILLING_EVENTS,),
        )
    )


if __name__ == "__main__":
    main()
