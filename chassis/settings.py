"""Settings from the environment; a wrong one names the variable and what is allowed."""

import os
import re
import ssl
from typing import Literal, TypeVar
from urllib.parse import parse_qsl, urlsplit

from pydantic import (
    AliasChoices,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from chassis import tls
from chassis.errors import ConfigurationError

_BROKER = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:,/@]+):([0-9]{1,5})")
#: What Kafka takes in the name of a topic; the longest name of ours has its place behind it.
_PREFIX = re.compile(r"[A-Za-z0-9._-]{0,200}")

#: Parameters of a database's address that name files.
_FILES = frozenset({"sslrootcert", "sslcert", "sslkey", "sslcrl"})


class KafkaSettings(BaseSettings):
    """How Kafka is reached, and how topics and groups are called."""

    # A variable that is set to nothing, as compose files and charts do, is not set.
    model_config = SettingsConfigDict(extra="ignore", frozen=True, env_ignore_empty=True)

    kafka_bootstrap_servers: str
    #: Put before every topic and group name, so that several systems share a cluster.
    kafka_topic_prefix: str = ""
    kafka_group_prefix: str = ""
    kafka_partitions: int = Field(default=12, ge=1, le=1000)
    kafka_replication_factor: int = Field(default=1, ge=1, le=9)
    kafka_session_timeout_ms: int = Field(default=30_000, ge=1000, le=300_000)
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    #: Files in PEM form: whom to believe (unset: the system's), and our own certificate with its key.
    kafka_ssl_cafile: str | None = None
    kafka_ssl_certfile: str | None = None
    kafka_ssl_keyfile: str | None = None
    kafka_ssl_key_password: SecretStr = SecretStr("")
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    kafka_sasl_username: str | None = None
    kafka_sasl_password: SecretStr = SecretStr("")

    @field_validator("kafka_bootstrap_servers")
    @classmethod
    def _addresses(cls, given: str) -> str:
        for broker in given.split(","):
            found = _BROKER.fullmatch(broker.strip())
            if not found or not 0 < int(found[2]) < 65536:
                raise ValueError("Give host:port of one or more brokers, with commas between them")
        return given

    @field_validator("kafka_topic_prefix", "kafka_group_prefix")
    @classmethod
    def _nameable(cls, prefix: str) -> str:
        if not _PREFIX.fullmatch(prefix):
            raise ValueError("At most 200 letters, digits, '.', '_' and '-' are allowed")
        return prefix

    @model_validator(mode="after")
    def _reachable(self) -> "KafkaSettings":
        """What the security protocol needs is there, and its files can be read."""
        protocol = self.kafka_security_protocol
        if protocol.startswith("SASL") and not (
            self.kafka_sasl_username and self.kafka_sasl_password.get_secret_value()
        ):
            raise ValueError(
                f"KAFKA_SECURITY_PROTOCOL={protocol} needs KAFKA_SASL_USERNAME and"
                " KAFKA_SASL_PASSWORD"
            )
        self.tls_context()
        return self

    def tls_context(self) -> ssl.SSLContext | None:
        """How connections are secured, None where they are not. Raises ValueError for unusable files."""
        if not self.kafka_security_protocol.endswith("SSL"):
            return None
        return tls.context(
            self.kafka_ssl_cafile,
            self.kafka_ssl_certfile,
            self.kafka_ssl_keyfile,
            self.kafka_ssl_key_password.get_secret_value(),
        )


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

    @field_validator("database_url", check_fields=False)
    @classmethod
    def _postgresql(cls, url: SecretStr) -> SecretStr:
        parts = urlsplit(url.get_secret_value())
        if parts.scheme not in ("postgresql", "postgres") or not parts.path.strip("/"):
            raise ValueError("It must be postgresql://user:password@host:port/database")
        if "@" in parts.path:
            raise ValueError("Write '/', ':' and '@' in a password as %2F, %3A and %40")
        for name, file in parse_qsl(parts.query):
            if name in _FILES and not os.access(file, os.R_OK):
                raise ValueError(f"Its {name}, {file}, cannot be read")
        return url

    @model_validator(mode="after")
    def _real_clock_in_production(self) -> "ServiceSettings":
        if self.clock == "virtual" and self.tenure_env == "production":
            raise ValueError("CLOCK=virtual is not allowed with TENURE_ENV=production")
        return self


def database_of(service: str) -> AliasChoices:
    """The variables that name a service's database, its own one first."""
    return AliasChoices(f"{service.upper()}_DATABASE_URL", "DATABASE_URL")


def variables(kind: type[BaseSettings], field: str) -> list[str]:
    """The environment variables that set a field, the first one wins."""
    alias = kind.model_fields[field].validation_alias
    if isinstance(alias, AliasChoices):
        return [str(choice) for choice in alias.choices]
    return [alias if isinstance(alias, str) else field.upper()]


T = TypeVar("T", bound=BaseSettings)


def load_settings(kind: type[T]) -> T:
    """Read the settings. Raises ConfigurationError with the variable and what is allowed."""
    try:
        return kind()
    except ValidationError as error:
        raise ConfigurationError(first_fault(kind, error)) from None


def first_fault(kind: type[BaseSettings], error: ValidationError) -> str:
    """The first thing that is wrong, in one line: the variable and what is allowed, never the value."""
    fault = error.errors(include_url=False, include_input=False)[0]
    said = fault["msg"].removeprefix("Value error, ")
    if not fault["loc"]:
        return f"{said}."
    place = str(fault["loc"][0])
    for field in kind.model_fields:
        names = variables(kind, field)
        if place.upper() in (field.upper(), *names):
            if fault["type"] == "missing":
                return f"{' or '.join(names)} is not set."
            return f"{' or '.join(names)}: {said}."
    return f"{place.upper()}: {said}."
