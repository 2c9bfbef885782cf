"""Billing's own settings, each from a variable `BILLING_...`; the shared ones are in chassis/settings.py."""

from pydantic import Field, SecretStr, model_validator

from chassis.settings import ServiceSettings, database_of

#: What everybody can read here is no secret.
_KNOWN_KEY = SecretStr("development only")


class BillingSettings(ServiceSettings):
    """Settings of the billing service."""

    database_url: SecretStr = Field(validation_alias=database_of("billing"))
    http_port: int = Field(default=8081, ge=0, le=65535, validation_alias="BILLING_HTTP_PORT")

    #: Key of the digests of names and addresses in refund requests; shared with whoever takes them.
    identity_digest_key: SecretStr = Field(
        default=_KNOWN_KEY, validation_alias="IDENTITY_DIGEST_KEY"
    )

    @model_validator(mode="after")
    def _secret_in_production(self) -> "BillingSettings":
        if self.tenure_env == "production" and self.identity_digest_key == _KNOWN_KEY:
            raise ValueError("IDENTITY_DIGEST_KEY must be set with TENURE_ENV=production")
        return self
