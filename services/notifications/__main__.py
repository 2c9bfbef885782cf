"""What runs in the notifications process."""

from pathlib import Path

from chassis.service import ServiceDefinition, run_service
from chassis.settings import load_settings
from contracts.topics import BILLING_EVENTS, CUSTOMERS_CONTACTS, LICENSING_EVENTS
from policies import load_policies
from services.notifications.mailer import Mailer
from services.notifications.settings import NotificationsSettings
from services.notifications.store import contacts, correspondences


def notifications() -> ServiceDefinition:
    """Notifications: what billing and licensing tell becomes mail, once."""
    settings = load_settings(NotificationsSettings)
    return ServiceDefinition(
        name="notifications",
        settings=settings,
        aggregate=correspondences(load_policies()),
        topics=(BILLING_EVENTS, LICENSING_EVENTS),
        projections={CUSTOMERS_CONTACTS.name: contacts},
        workers=(lambda runtime: Mailer(runtime, settings),),
        sql=Path(__file__).parent / "sql",
    )


if __name__ == "__main__":
    run_service(notifications)
