"""docs/operations.md names every metric and every setting that exists, and none that does not."""

import re
from pathlib import Path
from typing import get_args

from chassis.settings import KafkaSettings, variables
from chassis.tracing import TracingSettings
from contracts.operations import AlertCode
from ops.watch.settings import WatchSettings
from services.billing.settings import BillingSettings
from services.licensing.settings import LicensingSettings
from services.notifications.settings import NotificationsSettings
from tests.support.exported import metrics

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text()
#: What Prometheus makes of a histogram.
_SUFFIX = re.compile(r"_bucket$")


def test_every_metric_is_in_the_page_and_every_one_of_the_page_exists() -> None:
    exist = set(metrics())
    table = PAGE.split("## Metrics")[1]
    named = set(re.findall(r"^\| `(tenure_[a-z_]+)", table, re.M))
    assert exist
    assert named == exist
    roles = set(re.findall(r"^\| (`tenure_[a-z_`, ]+)", PAGE.split("## Metrics")[0], re.M))
    assert len(roles) == 4
    assert {_SUFFIX.sub("", name) for name in re.findall(r"tenure_[a-z_]+", table)} <= exist


def test_every_setting_is_in_the_page_and_every_one_of_the_page_exists() -> None:
    kinds = (BillingSettings, LicensingSettings, NotificationsSettings)
    exist = {
        name for kind in kinds for field in kind.model_fields for name in variables(kind, field)
    }
    rows = re.findall(r"^\| ([^|]+) \|", PAGE.split("## Settings")[1].split("## ")[0], re.M)
    named = {name for row in rows for name in re.findall(r"`([A-Z_]+)`", row)}
    assert named == exist


def test_every_setting_of_the_watch_is_in_its_section() -> None:
    shared = set(KafkaSettings.model_fields) | {"http_host", "log_level", "log_format"}
    fields = WatchSettings.model_fields.keys() - shared
    exist = {name for field in fields for name in variables(WatchSettings, field)}
    section = PAGE.split("## The watch")[1].split("\n## ")[0]
    assert set(re.findall(r"^\| `(WATCH_[A-Z_]+)`", section, re.M)) == exist
    # Where the `tenure` command finds the watch is no setting of the watch itself.
    assert set(re.findall(r"`(WATCH_[A-Z_]+)`", PAGE)) == exist | {"WATCH_HTTP_URL"}


def test_every_variable_of_traces_is_in_their_section() -> None:
    exist = {
        name for field in TracingSettings.model_fields for name in variables(TracingSettings, field)
    }
    section = PAGE.split("## Traces")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`OTEL_[^|]+) \|", section, re.M)
    assert {name for row in rows for name in re.findall(r"`(OTEL_[A-Z_]+)`", row)} == exist


def test_every_alert_is_in_the_page_and_every_one_of_the_page_exists() -> None:
    section = PAGE.split("## The watch")[1].split("\n## ")[0]
    assert set(re.findall(r"^\| `([A-Z]+_[A-Z_]+)` \|", section, re.M)) - {
        name for name in re.findall(r"`(WATCH_[A-Z_]+)`", section)
    } == set(get_args(AlertCode))


def test_every_other_variable_of_the_page_is_read_somewhere() -> None:
    code = "".join(
        file.read_text()
        for room in ("chassis", "services", "ops")
        for file in (ROOT / room).rglob("*.py")
    )
    named = set(re.findall(r"`((?:KAFKA|TENURE|READER|OPS|MIGRATOR)_[A-Z_]*[A-Z])`", PAGE))
    unknown = {
        name
        for name in named
        if name.lower() not in code and name not in code and f'"{name.split("_")[0]}"' not in code
    }
    assert unknown == set()
