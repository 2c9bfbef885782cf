"""The example manifests: what Kubernetes accepts, what a pod may do, and settings that exist."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from chassis.settings import KafkaSettings, ServiceSettings, variables
from contracts.topics import SERVICES
from ops.watch.settings import WatchSettings
from services.billing.settings import BillingSettings
from services.licensing.settings import LicensingSettings
from services.notifications.settings import NotificationsSettings
from tests.chassis.secured_kafka import CERTIFICATES

ROOT = Path(__file__).parents[2] / "deploy" / "kubernetes"
PUBLISHED = json.loads(Path(__file__).with_name("kubernetes-1.37.json").read_text())
KINDS: dict[str, type[KafkaSettings]] = {
    "billing": BillingSettings,
    "licensing": LicensingSettings,
    "notifications": NotificationsSettings,
    "watch": WatchSettings,
}
#: No manifest: how kustomize puts the others together.
_PATCHES = {"kustomization.yaml", "certificates.yaml"}
FILES = sorted(file for file in ROOT.glob("*/*.yaml") if file.name not in _PATCHES)


def documents(file: Path) -> Iterator[dict[str, Any]]:
    """The manifests of a file."""
    yield from yaml.safe_load_all(file.read_text())


def everything(kind: str) -> list[dict[str, Any]]:
    """All manifests of a kind."""
    return [found for file in FILES for found in documents(file) if found["kind"] == kind]


def pods() -> dict[str, dict[str, Any]]:
    """The pod of each deployment and job, by its name."""
    found = [*everything("Deployment"), *everything("Job")]
    return {one["metadata"]["name"]: one["spec"]["template"]["spec"] for one in found}


def validator(manifest: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
    """What Kubernetes publishes about the kind of a manifest."""
    name = PUBLISHED["kinds"][f"{manifest['apiVersion']}/{manifest['kind']}"]
    schema = {"$ref": f"#/$defs/{name}", "$defs": PUBLISHED["$defs"]}
    return jsonschema_rs.Draft202012Validator(schema)


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_a_manifest_is_as_kubernetes_publishes_its_kind(file: Path) -> None:
    for manifest in documents(file):
        errors = validator(manifest).iter_errors(manifest)
        assert [f"{list(error.instance_path)}: {error.message}" for error in errors] == []


def test_a_wrong_field_would_be_found() -> None:
    (pod, *_) = [m for m in everything("Deployment") if m["metadata"]["name"] == "tenure-billing"]
    pod["spec"]["template"]["spec"]["containers"][0]["imagePullPolicies"] = "Always"
    assert not validator(pod).is_valid(pod)


@pytest.mark.parametrize("folder", ["base", "production"])
def test_every_file_is_listed_and_every_listed_file_is_there(folder: str) -> None:
    listed = yaml.safe_load((ROOT / folder / "kustomization.yaml").read_text())
    named = {*listed["resources"], *(patch["path"] for patch in listed.get("patches", []))}
    there = {file.name for file in (ROOT / folder).iterdir()}
    assert there - named == {"kustomization.yaml"} | (
        {"secrets.example.yaml"} if folder == "production" else set()
    )
    assert all((ROOT / folder / name).exists() for name in named)


def test_services_watch_and_setup_run_from_the_one_image() -> None:
    commands = {}
    for name, pod in pods().items():
        (container,) = pod["containers"]
        assert container["image"] == "tenure"
        commands[name] = container["command"]
    assert commands == {
        **{f"tenure-{name}": ["python", "-m", f"services.{name}"] for name in SERVICES},
        "tenure-watch": ["python", "-m", "ops.watch"],
        "tenure-setup": ["sh", "-c", "tenure db migrate && tenure topics apply"],
    }


def test_no_pod_may_do_more_than_it_needs() -> None:
    for name, pod in pods().items():
        (container,) = pod["containers"]
        assert not pod["automountServiceAccountToken"], name
        assert pod["securityContext"] == {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "runAsGroup": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"]
        assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize("service", KINDS)
def test_a_service_is_probed_on_its_port_and_gets_time_to_stop(service: str) -> None:
    pod = pods()[f"tenure-{service}"]
    (container,) = pod["containers"]
    port = KINDS[service].model_fields["http_port"].default
    assert container["ports"] == [{"name": "http", "containerPort": port}]
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}
    assert pod["terminationGracePeriodSeconds"] == 30
    (served,) = [m for m in everything("Service") if m["metadata"]["name"] == f"tenure-{service}"]
    assert [each["port"] for each in served["spec"]["ports"]] == [port]
    (policy, *_) = everything("NetworkPolicy")
    assert {"protocol": "TCP", "port": port} in policy["spec"]["ingress"][0]["ports"]


def test_one_watch_reads_as_long_as_it_takes_while_the_old_one_goes_on() -> None:
    (watch,) = [m for m in everything("Deployment") if m["metadata"]["name"] == "tenure-watch"]
    assert watch["spec"]["replicas"] == 1
    assert watch["spec"]["progressDeadlineSeconds"] >= 3600
    assert watch["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    (container,) = watch["spec"]["template"]["spec"]["containers"]
    # Only what asks whether it is ready may fail while it reads; that takes no pod away.
    assert "startupProbe" not in container
    assert not any("watch" in str(source) for source in container["envFrom"])


def known(service: str) -> set[str]:
    """The variables that a service reads."""
    kind = KINDS[service]
    return {name for field in kind.model_fields for name in variables(kind, field)}


def test_every_variable_is_a_setting_and_its_value_is_allowed(tmp_path: Path) -> None:
    for name in ("kafka-ca.pem", "postgres-ca.pem"):
        shutil.copy(CERTIFICATES / "ca.pem", tmp_path / name)
    settings: dict[str, str] = {}
    for manifest in everything("ConfigMap"):
        settings |= manifest["data"]
    anywhere = set().union(*(known(service) for service in KINDS))
    assert set(settings) <= anywhere
    secrets = {m["metadata"]["name"]: m["stringData"] for m in everything("Secret")}
    assert set(secrets.pop("tenure-migrator")) == {"MIGRATOR_DATABASE_URL"}
    assert set(secrets) == {"tenure-kafka", *(f"tenure-{service}" for service in SERVICES)}
    for service in KINDS:
        own = {**secrets["tenure-kafka"], **secrets.get(f"tenure-{service}", {})}
        assert set(own) <= known(service)
        with pytest.MonkeyPatch.context() as patch:
            for name in anywhere:
                patch.delenv(name, raising=False)
            for name, value in {**settings, **own}.items():
                patch.setenv(name, value.replace("/etc/tenure/certificates", str(tmp_path)))
            made = KINDS[service]()
        assert made.http_host == "0.0.0.0"
        if isinstance(made, WatchSettings):
            continue
        assert isinstance(made, ServiceSettings)
        assert made.tenure_env == "production"
        assert made.database_url.get_secret_value().count("replace-me") == 1
