"""What a wrong environment makes of each service: exit status 78 and one line that says what to set."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from chassis.errors import ConfigurationError
from chassis.settings import ServiceSettings, load_settings
from services.billing.settings import BillingSettings
from services.licensing.settings import LicensingSettings
from services.notifications.settings import NotificationsSettings
from tests.support.held_stack import PROJECT

KINDS: dict[str, type[ServiceSettings]] = {
    "billing": BillingSettings,
    "licensing": LicensingSettings,
    "notifications": NotificationsSettings,
}
GOOD = {
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092",
    "DATABASE_URL": "postgresql://tenure:s3cret@127.0.0.1/tenure",
}
#: Service, variables (None: not set), and the line.
WRONG: list[tuple[str, dict[str, str | None], str]] = [
    ("billing", {"KAFKA_BOOTSTRAP_SERVERS": None}, "KAFKA_BOOTSTRAP_SERVERS is not set."),
    ("billing", {"KAFKA_BOOTSTRAP_SERVERS": ""}, "KAFKA_BOOTSTRAP_SERVERS is not set."),
    (
        "billing",
        {"KAFKA_BOOTSTRAP_SERVERS": "localhost"},
        "KAFKA_BOOTSTRAP_SERVERS: Give host:port of one or more brokers, with commas between them.",
    ),
    ("licensing", {"DATABASE_URL": None}, "LICENSING_DATABASE_URL or DATABASE_URL is not set."),
    (
        "billing",
        {"DATABASE_URL": "mysql://s3cret@x/y"},
        "BILLING_DATABASE_URL or DATABASE_URL: It must be postgresql://user:password@host:port/database.",
    ),
    (
        "billing",
        {"DATABASE_URL": "postgresql://tenure:s3cret/x@127.0.0.1/tenure"},
        "BILLING_DATABASE_URL or DATABASE_URL: Write '/', ':' and '@' in a password as %2F, %3A and %40.",
    ),
    (
        "billing",
        {"DATABASE_URL": f"{GOOD['DATABASE_URL']}?sslmode=verify-full&sslrootcert=/nowhere/ca.pem"},
        "BILLING_DATABASE_URL or DATABASE_URL: Its sslrootcert, /nowhere/ca.pem, cannot be read.",
    ),
    (
        "licensing",
        {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_USERNAME": "tenure"},
        "KAFKA_SECURITY_PROTOCOL=SASL_SSL needs KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD.",
    ),
    (
        "billing",
        {"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_CAFILE": "/nowhere/ca.pem"},
        "KAFKA_SSL_CAFILE cannot be used, /nowhere/ca.pem: No such file or directory.",
    ),
    (
        "billing",
        {"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_CERTFILE": __file__},
        f"KAFKA_SSL_CERTFILE or KAFKA_SSL_KEYFILE cannot be used, {__file__}:"
        " no readable certificate or key in PEM form",
    ),
    (
        "billing",
        {"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_KEYFILE": "key.pem"},
        "KAFKA_SSL_KEYFILE needs KAFKA_SSL_CERTFILE beside it.",
    ),
    (
        "billing",
        {"KAFKA_TOPIC_PREFIX": "a/b"},
        "KAFKA_TOPIC_PREFIX: At most 200 letters, digits, '.', '_' and '-' are allowed.",
    ),
    (
        "billing",
        {"KAFKA_PARTITIONS": "many"},
        "KAFKA_PARTITIONS: Input should be a valid integer, unable to parse string as an integer.",
    ),
    (
        "licensing",
        {"LICENSING_HTTP_PORT": "65536"},
        "LICENSING_HTTP_PORT: Input should be less than or equal to 65535.",
    ),
    (
        "licensing",
        {"CLOCK": "virtual", "TENURE_ENV": "production"},
        "CLOCK=virtual is not allowed with TENURE_ENV=production.",
    ),
    (
        "billing",
        {"TENURE_ENV": "production"},
        "IDENTITY_DIGEST_KEY must be set with TENURE_ENV=production.",
    ),
    (
        "notifications",
        {"SMTP_URL": "http://mail"},
        "SMTP_URL: It must be smtp://, submission:// or smtps:// and name a host.",
    ),
    (
        "notifications",
        {"SMTP_URL": "smtp://mail:x"},
        "SMTP_URL: It must be smtp://, submission:// or smtps:// and name a host.",
    ),
    (
        "notifications",
        {"NOTIFICATIONS_MAIL_FROM": "Tenure <a@b.example>"},
        "NOTIFICATIONS_MAIL_FROM: The address is not one plain ASCII mail address.",
    ),
    (
        "notifications",
        {"NOTIFICATIONS_MAIL_DOMAIN": "a b"},
        "NOTIFICATIONS_MAIL_DOMAIN: It must be a domain name, such as example.com.",
    ),
]


@pytest.mark.parametrize(("service", "variables", "line"), WRONG)
def test_a_wrong_variable_is_named_with_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, service: str, variables: dict[str, str | None], line: str
) -> None:
    for name in [name for name in os.environ if name.endswith("_DATABASE_URL")]:
        monkeypatch.delenv(name)
    for name, value in {**GOOD, **variables}.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as raised:
        load_settings(KINDS[service])
    said = str(raised.value)
    assert said.startswith(line)
    assert "\n" not in said
    assert "s3cret" not in said


def ended(service: str, folder: Path, variables: dict[str, str | None]) -> tuple[int, list[str]]:
    """The exit status and the lines on stderr of a service process."""
    given = {k: v for k, v in os.environ.items() if not k.endswith("_DATABASE_URL")}
    given |= {k: v for k, v in {**GOOD, **variables}.items() if v is not None}
    for name in [name for name, value in variables.items() if value is None]:
        given.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-m", f"services.{service}"],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=folder,
        env={**given, "PYTHONPATH": f"{folder}{os.pathsep}{PROJECT}"},
        check=False,
    )
    assert done.stdout == ""
    return done.returncode, done.stderr.splitlines()


@pytest.mark.parametrize("service", KINDS)
def test_a_service_without_its_database_ends_at_once_with_one_line(
    tmp_path: Path, service: str
) -> None:
    name = f"{service.upper()}_DATABASE_URL"
    assert ended(service, tmp_path, {"DATABASE_URL": None}) == (
        78,
        [f"Configuration error: {name} or DATABASE_URL is not set."],
    )


@pytest.mark.parametrize("service", KINDS)
def test_a_collector_that_cannot_be_one_ends_a_service_with_one_line(
    tmp_path: Path, service: str
) -> None:
    name = "OTEL_EXPORTER_OTLP_ENDPOINT"
    assert ended(service, tmp_path, {name: "collector:4317"}) == (
        78,
        [f"Configuration error: {name}: It must be http://host:port or https://host:port."],
    )


def test_a_pack_that_cannot_be_read_ends_the_service_with_one_line(tmp_path: Path) -> None:
    packs = tmp_path / "policies"
    shutil.copytree(PROJECT / "policies", packs, ignore=shutil.ignore_patterns("__pycache__"))
    pack = next(packs.glob("online-store/*.yaml"))
    pack.write_text(f"{pack.read_text()}\nrenewal_discount: 3\n")
    code, lines = ended("billing", tmp_path, {})
    assert code == 78
    (line,) = lines
    assert line.startswith("Configuration error: ")
    assert pack.name in line
    assert "renewal_discount" in line
