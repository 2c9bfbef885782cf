"""Settings: a wrong one names its variable and what is allowed."""

import pytest
from pydantic import Field, SecretStr

from chassis.errors import ConfigurationError
from chassis.settings import ServiceSettings, database_of, load_settings


class _Settings(ServiceSettings):
    database_url: SecretStr = Field(validation_alias=database_of("tally"))
    http_port: int = Field(default=8099, ge=0, le=65535, validation_alias="TALLY_HTTP_PORT")


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CLOCK", "TENURE_ENV", "DATABASE_URL", "TALLY_DATABASE_URL", "TALLY_HTTP_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("DATABASE_URL", "postgresql://all")


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("CLOCK", "sundial", "'real' or 'virtual'"),
        ("LOG_LEVEL", "LOUD", "'DEBUG', 'INFO'"),
        ("TALLY_HTTP_PORT", "eighty", "valid integer"),
        ("TALLY_HTTP_PORT", "65536", "less than or equal to 65535"),
        ("KAFKA_PARTITIONS", "0", "greater than or equal to 1"),
        ("KAFKA_SECURITY_PROTOCOL", "TLS", "'PLAINTEXT', 'SSL'"),
        ("KAFKA_BOOTSTRAP_SERVERS", "", "at least 1 character"),
        ("DLQ_RATIO_MAX", "0", "greater than 0"),
    ],
)
def test_a_wrong_value_names_the_variable_and_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, allowed: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError) as raised:
        load_settings(_Settings)
    assert str(raised.value).startswith(f"{variable}: ")
    assert allowed in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_missing_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL")
    with pytest.raises(ConfigurationError, match=r"^TALLY_DATABASE_URL: Field required"):
        load_settings(_Settings)


def test_its_own_database_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings(_Settings).database_url.get_secret_value() == "postgresql://all"
    monkeypatch.setenv("TALLY_DATABASE_URL", "postgresql://own")
    assert load_settings(_Settings).database_url.get_secret_value() == "postgresql://own"


def test_a_virtual_clock_is_refused_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOCK", "virtual")
    assert load_settings(_Settings).clock == "virtual"
    monkeypatch.setenv("TENURE_ENV", "production")
    with pytest.raises(ConfigurationError, match="CLOCK=virtual is not allowed"):
        load_settings(_Settings)


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_SASL_PASSWORD", "hunter2")
    monkeypatch.setenv("DATABASE_URL", "postgresql://a:hunter3@b/c")
    assert "hunter" not in repr(load_settings(_Settings))
