"""The made-up aggregate as a service process, in billing's place: `python -m tests.chassis.tally_service`."""

from pathlib import Path

from pydantic import Field, SecretStr

from chassis.service import ServiceDefinition, run_service
from chassis.settings import ServiceSettings, database_of, load_settings
from contracts.topics import BILLING_COMMANDS, NOTIFICATIONS_EVENTS
from tests.chassis import tally

SQL = Path(__file__).parent / "sql"


class TallySettings(ServiceSettings):
    """Settings of the made-up service."""

    database_url: SecretStr = Field(validation_alias=database_of("billing"))
    http_port: int = Field(default=8081, ge=0, le=65535, validation_alias="BILLING_HTTP_PORT")


def define() -> ServiceDefinition:
    """Commands and mail outcomes are noted."""
    return ServiceDefinition(
        name="billing",
        settings=load_settings(TallySettings),
        aggregate=tally.aggregate(),
        topics=(BILLING_COMMANDS, NOTIFICATIONS_EVENTS),
        sql=SQL,
    )


if __name__ == "__main__":
    run_service(define)
