"""The `tenure` command in processes of its own beside running services, beginning with the README."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import pytest

from contracts.topics import PAYMENTS_EVENTS
from devstack.behaviour import instant
from ops.broker import Broker
from tests.scenarios.year import SCENARIO
from tests.support import upstream
from tests.support.worker_stack import WorkerStack

pytestmark = SCENARIO

PROJECT = Path(__file__).parents[2]
Tenure = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def tenure(environment: dict[str, str], tmp_path: Path) -> Tenure:
    """Runs the command as an operator does; nothing of this process's own variables is a stack's."""
    kept = {k: v for k, v in os.environ.items() if not k.endswith("_URL") and "KAFKA" not in k}
    variables = {**kept, **environment, "PYTHONPATH": str(PROJECT), "COLUMNS": "200"}

    def call(*arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "ops", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            cwd=tmp_path,
            env=variables,
            check=False,
        )

    return call


def now(tenure: Tenure) -> datetime:
    """The stack's clock as the command shows it."""
    shown = json.loads(tenure("clock", "show", "--json").stdout)["now"]
    return datetime.fromisoformat(shown.replace("Z", "+00:00"))


@pytest.fixture
def subscribe(tenure: Tenure) -> Callable[..., str]:
    """Publishes a paid order through stdin and lets everybody catch up; its reference."""

    def made(provider: str = "online-store") -> str:
        reference, at = f"cli-{uuid4().hex[:8]}", now(tenure)
        lines = [
            upstream.message(reference, type, at, data, provider=provider)
            for type, data in (
                ("order-placed", upstream.order(reference, f"{reference}-1")),
                ("payment-succeeded", upstream.success(f"{reference}-1")),
            )
        ]
        done = tenure("publish", "-", stdin="\n".join(map(json.dumps, lines)))
        assert done.returncode == 0, done.stderr
        assert tenure("clock", "advance", "1m").returncode == 0
        return reference

    return made


def test_the_order_of_the_readme_can_be_published_and_followed(
    tenure: Tenure, tmp_path: Path
) -> None:
    readme = (PROJECT / "README.md").read_text()
    files = dict(re.findall(r"cat > (\S+) <<'JSON'\n(.*?)\nJSON\n", readme, re.DOTALL))
    assert set(files) == {"order.json", "payment.json"}
    for name, text in files.items():
        # As the README has it, but happening now.
        message = {**json.loads(text), "time": instant(now(tenure))}
        (tmp_path / name).write_text(json.dumps(message, indent=1))
        done = tenure("publish", name)
        assert (done.returncode, done.stderr) == (0, "")
        assert f"{message['type']} {message['id']} -> payments.events partition" in done.stdout
    assert tenure("clock", "advance", "1m").returncode == 0
    shown = tenure("timeline", "R-1001")
    assert shown.returncode == 0, shown.stderr
    for words in ("R-1001", "active", "49.99 EUR", "order-confirmation"):
        assert words in shown.stdout
    told = json.loads(tenure("timeline", "R-1001", "--json").stdout)
    assert told["status"] == "active"
    assert {entry["lane"] for entry in told["entries"]} == {"money", "periods", "access", "mail"}
    assert "Ann Lee" not in shown.stdout + json.dumps(told)


def test_the_status_tells_that_all_is_well(tenure: Tenure) -> None:
    done = tenure("status")
    assert done.returncode == 0, done.stderr
    told = json.loads(tenure("status", "--json").stdout)
    assert [service["ready"] for service in told["services"]] == [True] * 3
    assert not any(lag for topics in told["lag"].values() for lag in topics.values())


def test_a_subscription_is_canceled_once(tenure: Tenure, subscribe: Callable[..., str]) -> None:
    reference = subscribe()
    done = tenure("cancel", reference, "--reason", "too dear")
    assert done.returncode == 0, done.stderr
    assert "cancellation-scheduled" in done.stdout
    again = tenure("cancel", reference)
    assert (again.returncode, again.stdout) == (1, "")
    assert "NO_AUTO_RENEWAL" in again.stderr
    unknown = tenure("cancel", reference[:-1] + "x")
    assert unknown.returncode == 3
    assert f"Did you mean {reference}" in unknown.stderr


def test_what_only_the_provider_can_cancel_is_refused(
    tenure: Tenure, subscribe: Callable[..., str]
) -> None:
    done = tenure("cancel", subscribe("isp-classic"))
    assert done.returncode == 1
    assert "CANCEL_AT_PROVIDER" in done.stderr


def test_a_refund_is_requested_and_approved(tenure: Tenure, subscribe: Callable[..., str]) -> None:
    reference = subscribe()
    day, order = f"{now(tenure):%Y-%m-%d}", f"{reference}-1"
    who = ("--purchased-on", day, "--email", upstream.address(reference))
    wrong = tenure("refunds", "request", reference, order, *who, "--name", "Bob")
    assert wrong.returncode == 1
    assert "IDENTITY_MISMATCH" in wrong.stderr
    asked = tenure("refunds", "request", reference, order, *who, "--name", upstream.NAME, "--json")
    assert asked.returncode == 0, asked.stderr
    case = json.loads(asked.stdout)["data"]["case_id"]
    listed = tenure("refunds", "list", "--status", "under-review")
    assert case in listed.stdout
    approved = tenure("refunds", "approve", case, "--operator", "Ann")
    assert approved.returncode == 0, approved.stderr
    second = tenure("refunds", "request", reference, order, *who, "--name", upstream.NAME)
    assert second.returncode == 1
    assert "REFUND_EXISTS" in second.stderr
    assert tenure("clock", "advance", "1m").returncode == 0
    assert "expired (refunded)" in tenure("timeline", reference).stdout


def test_a_refund_is_declined(tenure: Tenure, subscribe: Callable[..., str]) -> None:
    reference = subscribe()
    arguments = ("--purchased-on", f"{now(tenure):%Y-%m-%d}", "--name", upstream.NAME)
    asked = tenure(
        "refunds",
        "request",
        reference,
        f"{reference}-1",
        *arguments,
        "--email",
        upstream.address(reference),
        "--json",
    )
    case = json.loads(asked.stdout)["data"]["case_id"]
    done = tenure("refunds", "decline", case, "NOT_ELIGIBLE", "--operator", "Ann")
    assert done.returncode == 0, done.stderr
    assert "refund-declined" in done.stdout
    assert tenure("refunds", "approve", case, "--operator", "Ann").returncode == 1


@pytest.mark.parametrize(
    ("size", "words"),
    [(65 * 1024, "65536 are allowed"), (1024 * 1024 + 1, "Kafka itself refuses more than 1 MiB")],
    ids=["over 64 KiB", "over 1 MiB"],
)
async def test_what_is_too_large_is_not_published(
    tenure: Tenure, town: WorkerStack, size: int, words: str
) -> None:
    message = upstream.message(
        "R-large", "order-placed", now(tenure), upstream.order("R-large", "1")
    )
    message["data"]["later"] = "x" * size
    before = await _ends(town)
    done = tenure("publish", "-", stdin=json.dumps(message))
    assert (done.returncode, done.stdout) == (1, "")
    assert "too_large" in done.stderr
    assert words in done.stderr
    assert await _ends(town) == before


async def test_with_one_bad_message_nothing_is_published(tenure: Tenure, town: WorkerStack) -> None:
    good = upstream.message("R-good", "order-placed", now(tenure), upstream.order("R-good", "1"))
    bad = json.loads(json.dumps(good))
    del bad["data"]["amount"]["currency"]
    before = await _ends(town)
    done = tenure("publish", "-", stdin=f"{json.dumps(good)}\n{json.dumps(bad)}\n")
    assert done.returncode == 1
    assert "Line 2: invalid_field: Field 'data.amount.currency'" in done.stderr
    assert await _ends(town) == before


async def _ends(town: WorkerStack) -> dict[int, int]:
    async with Broker(town.ops) as broker:
        partitions = await broker.partitions([town.ops.topic(PAYMENTS_EVENTS.name)])
        return {tp.partition: end for tp, end in (await broker.ends(partitions)).items()}
