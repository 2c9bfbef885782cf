"""Billing's own settings, each from a variable `BILLING_...`; the shared ones are in chassis/settings.py."""

from pydantic import Field, SecretStr

from chassis.settings import ServiceSettings, database_of


class BillingSettings(ServiceSettings):
    """Settings of the billing service."""

    database_url: SecretStr = Field(validation_alias=database_of("billing"))
    http_port: int = Field(default=8081, ge=0, le=65535, validation_alias="BILLING_HTTP_PORT")

    #: Key of the digests of names and addresses in refund requests; shared with whoever takes them.
    identity_digest_key: SecretStr = Field(
        default=SecretStr("development only"), validation_alias="IDENTITY_DIGEST_KEY"
    )
