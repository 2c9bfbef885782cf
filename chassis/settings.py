"""Settings from the environment; a wrong one names the variable and what is allowed."""

from typing import Literal, TypeVar

from pydantic import AliasChoices, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from chassis.errors import ConfigurationError


class KafkaSettings(BaseSettings):
    """How Kafka is reached, and how topics and groups are called."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    kafka_bootstrap_servers: str = Field(min_length=1)
    #: Put before every topic and group name, so that several systems share a cluster.
    kafka_topic_prefix: str = ""
    kafka_group_prefix: str = ""
    kafka_partitions: int = Field(default=12, ge=1, le=1000)
    kafka_replication_factor: int = Field(default=1, ge=1, le=9)
    kafka_session_timeout_ms: int = Field(default=30_000, ge=1000, le=300_000)
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_ssl_cafile: str | None = None
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    kafka_sasl_username: str | None = None
    kafka_sasl_password: SecretStr = SecretStr("")


class ServiceSettings(KafkaSettings):
    """What every service needs; a subclass per service names its own variables."""

    database_url: SecretStr
    http_host: str = "127.0.0.1"
    http_port: int = Field(ge=0, le=65535)
    tenure_env: Literal["development", "production"] = "development"
    #: `virtual` reads the instant from ops.clock: for development, demo and tests only.
    clock: Literal["real", "virtual"] = "real"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["json", "console"] = "json"
    consumer_batch_max: int = Field(default=500, ge=1, le=2000)
    due_batch_max: int = Field(default=500, ge=1, le=5000)
    #: How much the process gives way to others on a busy machine, as `nice` counts: 0 not at all.
    niceness: int = Field(default=0, ge=0, le=19)
    #: Dead letters in a row after which consuming stops.
    dlq_consecutive_max: int = Field(default=200, ge=1)
    #: Share of dead letters among the last 1000 messages after which consuming stops.
    dlq_ratio_max: float = Field(default=0.5, gt=0, le=1)

    @model_validator(mode="after")
    def _real_clock_in_production(self) -> "ServiceSettings":
        if self.clock == "virtual" and self.tenure_env == "production":
            raise ValueError("CLOCK=virtual is not allowed with TENURE_ENV=production")
        return self


def database_of(service: str) -> AliasChoices:
    """The variables that name a service's database, its own one first."""
    return AliasChoices(f"{service.upper()}_DATABASE_URL", "DATABASE_URL")


T = TypeVar("T", bound=BaseSettings)


def load_settings(kind: type[T]) -> T:
    """Read the settings. Raises ConfigurationError with the variable and what is allowed."""
    try:
        return kind()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = str(first["loc"][0]).upper() if first["loc"] else "Settings"
        raise ConfigurationError(f"{name}: {first['msg']}.") from None
