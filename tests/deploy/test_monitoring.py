"""`docker compose --profile obs`: what collects the metrics and shows them, as far as files can tell."""

import re
import shutil
import subprocess
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from contracts.topics import SERVICES
from tests.deploy.test_kubernetes import KINDS

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SHOWING = {
    name: part for name, part in COMPOSE["services"].items() if part.get("profiles") == ["obs"]
}


def content(path: str) -> Any:
    """A YAML file of the project."""
    return yaml.safe_load((ROOT / path).read_text())


def mounted(service: str) -> dict[PurePosixPath, str]:
    """What of the project a container sees, read only, by the path inside."""
    files = [mount for mount in SHOWING[service]["volumes"] if mount.startswith("./")]
    return {PurePosixPath(to): here for here, to, _ in (mount.split(":") for mount in files)}


def test_there_are_two_and_nothing_starts_them_by_itself() -> None:
    assert set(SHOWING) == {"prometheus", "grafana"}
    others = COMPOSE["services"].keys() - SHOWING.keys()
    assert not any(
        SHOWING.keys() & COMPOSE["services"][name].get("depends_on", {}) for name in others
    )


@pytest.mark.parametrize("service", SHOWING)
def test_they_may_do_no_more_than_the_others(service: str) -> None:
    part = SHOWING[service]
    assert re.fullmatch(r"[a-z]+/[a-z]+:v?\d+\.\d+\.\d+", part["image"])
    assert part["cap_drop"] == ["ALL"]
    assert part["security_opt"] == ["no-new-privileges:true"]
    assert set(part["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    assert all(port.startswith("127.0.0.1:${") for port in part["ports"])
    assert all(mount.endswith(":ro") for mount in part["volumes"] if mount.startswith("./"))
    assert all((ROOT / here).exists() for here in mounted(service).values())


def test_prometheus_collects_every_process_where_it_answers() -> None:
    found = {
        job["job_name"]: [(each["names"], each["port"]) for each in job["dns_sd_configs"]]
        for job in content("deploy/prometheus/prometheus.yml")["scrape_configs"]
    }
    assert found == {
        f"tenure-{name}": [([name], KINDS[name].model_fields["http_port"].default)]
        for name in (*SERVICES, "watch")
    }
    assert {name for (((name,), _),) in found.values()} <= COMPOSE["services"].keys()


def test_prometheus_reads_the_rules_that_lie_in_the_project() -> None:
    (pattern,) = content("deploy/prometheus/prometheus.yml")["rule_files"]
    seen = mounted("prometheus")
    assert seen[PurePosixPath("/etc/prometheus/prometheus.yml")]
    folder = ROOT / seen[PurePosixPath("/etc/prometheus", pattern).parent]
    assert [file.name for file in folder.glob(PurePosixPath(pattern).name)] == ["tenure.yaml"]


def test_grafana_shows_the_dashboards_that_lie_in_the_project() -> None:
    seen = mounted("grafana")
    (source,) = content(seen[PurePosixPath("/etc/grafana/provisioning/datasources/tenure.yaml")])[
        "datasources"
    ]
    assert source["type"] == "prometheus"
    assert source["url"] == "http://prometheus:9090"
    (provider,) = content(seen[PurePosixPath("/etc/grafana/provisioning/dashboards/tenure.yaml")])[
        "providers"
    ]
    folder = seen[PurePosixPath(provider["options"]["path"])]
    home = PurePosixPath(
        SHOWING["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    )
    assert home.parent == PurePosixPath(provider["options"]["path"])
    assert (ROOT / folder / home.name).exists()


PLAYED = Path(__file__).with_name("alert_rules.promtool.yaml")


def test_every_alert_rule_is_played() -> None:
    groups = content("ops/alert_rules/tenure.yaml")["groups"]
    names = {rule["alert"] for group in groups for rule in group["rules"]}
    assert {name for name in names if name in PLAYED.read_text()} == names


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_the_alert_rules_do_over_time_what_they_say() -> None:
    ended = subprocess.run(
        ["promtool", "test", "rules", PLAYED.name],
        cwd=PLAYED.parent,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
