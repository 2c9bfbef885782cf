"""What runs in the billing process."""

from pathlib import Path

from chassis.service import ServiceDefinition, run_service
from chassis.settings import load_settings
from contracts.topics import BILLING_COMMANDS, NOTIFICATIONS_EVENTS, PAYMENTS_EVENTS
from policies import load_policies
from services.billing.settings import BillingSettings
from services.billing.store import subscriptions


def billing() -> ServiceDefinition:
    """Billing: payments, commands and reminder proofs become facts of subscriptions."""
    settings = load_settings(BillingSettings)
    digest_key = settings.identity_digest_key.get_secret_value().encode()
    return ServiceDefinition(
        name="billing",
        settings=settings,
        aggregate=subscriptions(load_policies(), digest_key),
        topics=(PAYMENTS_EVENTS, BILLING_COMMANDS, NOTIFICATIONS_EVENTS),
        sql=Path(__file__).parent / "sql",
    )


if __name__ == "__main__":
    run_service(billing)
