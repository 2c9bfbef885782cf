"""Licensing's own settings, each from a variable `LICENSING_...`; the shared ones are in chassis/settings.py."""

from pydantic import Field, SecretStr

from chassis.settings import ServiceSettings, database_of


class LicensingSettings(ServiceSettings):
    """Settings of the licensing service."""

    database_url: SecretStr = Field(validation_alias=database_of("licensing"))
    http_port: int = Field(default=8082, ge=0, le=65535, validation_alias="LICENSING_HTTP_PORT")
