"""The `tenure` command in processes of its own beside running services, beginning with the README."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest

from devstack.behaviour import instant
from ops.supervisor import Services
from tests.scenarios.year import SCENARIO
from tests.support import upstream
from tests.support.desk import Desk

pytestmark = SCENARIO

PROJECT = Path(__file__).parents[2]
Terminal = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def terminal(environment: dict[str, str], tmp_path: Path) -> Terminal:
    """Runs a program in an operator's terminal; none of this process's own variables is a stack's."""
    kept = {k: v for k, v in os.environ.items() if not k.endswith("_URL") and "KAFKA" not in k}
    variables = {**kept, **environment, "PYTHONPATH": str(PROJECT), "COLUMNS": "200"}

    def call(*program: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            program,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=100,
            cwd=tmp_path,
            env=variables,
            check=False,
        )

    return call


@pytest.fixture
def tenure(terminal: Terminal) -> Terminal:
    """Runs the command."""
    return partial(terminal, sys.executable, "-m", "ops")


async def subscribed(desk: Desk, provider: str = "online-store") -> str:
    """The reference of a paid subscription that everybody knows."""
    reference = f"cli-{uuid4().hex[:8]}"
    await desk.subscribe(reference, await desk.now(), provider=provider)
    await desk.settled()
    return reference


async def test_the_order_of_the_readme_can_be_published_and_followed(
    terminal: Terminal, tenure: Terminal, desk: Desk
) -> None:
    blocks = re.findall(r"```\n(.*?)```", (PROJECT / "README.md").read_text(), re.DOTALL)
    (typed,) = (block for block in blocks if "tenure publish order.json" in block)
    # As the README has it, but happening now by the clock of this stack, which runs elsewhere.
    script, dates = re.subn(
        r"^NOW=.*$", f"NOW={instant(await desk.now())}", typed, flags=re.MULTILINE
    )
    script = script.replace(".venv/bin/tenure timeline", "tenure clock advance 1m\ntenure timeline")
    script = script.replace(".venv/bin/tenure", "tenure")
    tenure_is = f'tenure() {{ "{sys.executable}" -m ops "$@"; }}\n'
    done = terminal("bash", "-euc", tenure_is + script)
    assert dates == 1
    assert (done.returncode, done.stderr) == (0, "")
    assert "payments.order-placed.v1 order-event-1 -> payments.events partition" in done.stdout
    assert "payments.payment-succeeded.v1 payment-event-1 -> payments.events" in done.stdout
    shown = tenure("timeline", "R-1001")
    assert shown.returncode == 0, shown.stderr
    for words in ("R-1001", "active", "49.99 EUR", "order-confirmation"):
        assert words in shown.stdout
    told = json.loads(tenure("timeline", "R-1001", "--json").stdout)
    assert told["status"] == "active"
    assert {entry["lane"] for entry in told["entries"]} == {"money", "periods", "access", "mail"}
    assert "Ann Lee" not in shown.stdout + json.dumps(told)


def test_the_status_tells_that_all_have_caught_up(tenure: Terminal, services: Services) -> None:
    done = tenure("status", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert {service["name"] for service in told["services"]} == set(services.names)
    assert all(service["ready"] for service in told["services"])
    assert not any(lag for topics in told["lag"].values() for lag in topics.values())


async def test_a_subscription_is_canceled_once(tenure: Terminal, desk: Desk) -> None:
    reference = await subscribed(desk)
    done = tenure("cancel", reference, "--reason", "too dear")
    assert done.returncode == 0, done.stderr
    assert "cancellation-scheduled" in done.stdout
    again = tenure("cancel", reference)
    assert (again.returncode, again.stdout) == (1, "")
    assert "NO_AUTO_RENEWAL" in again.stderr
    unknown = tenure("cancel", reference[:-1] + "x")
    assert unknown.returncode == 3
    assert f"Did you mean {reference}" in unknown.stderr


async def test_what_only_the_provider_can_cancel_is_refused(tenure: Terminal, desk: Desk) -> None:
    done = tenure("cancel", await subscribed(desk, "isp-classic"))
    assert done.returncode == 1
    assert "CANCEL_AT_PROVIDER" in done.stderr


async def test_refunds_are_requested_listed_approved_and_declined(
    tenure: Terminal, desk: Desk
) -> None:
    first, second = await subscribed(desk), await subscribed(desk)
    day = f"{await desk.now():%Y-%m-%d}"

    def ask(reference: str, name: str = upstream.NAME) -> subprocess.CompletedProcess[str]:
        who = ("--purchased-on", day, "--email", upstream.address(reference), "--name", name)
        return tenure("refunds", "request", reference, f"{reference}-1", *who, "--json")

    wrong = ask(first, "Bob")
    assert wrong.returncode == 1
    assert "IDENTITY_MISMATCH" in wrong.stderr
    cases = [json.loads(ask(reference).stdout)["data"]["case_id"] for reference in (first, second)]
    listed = tenure("refunds", "list", "--status", "under-review")
    assert listed.returncode == 0
    assert set(cases) <= set(listed.stdout.split())
    approved = tenure("refunds", "approve", cases[0], "--operator", "Ann")
    assert approved.returncode == 0, approved.stderr
    again = ask(first)
    assert again.returncode == 1
    assert "REFUND_EXISTS" in again.stderr
    declined = tenure("refunds", "decline", cases[1], "NOT_ELIGIBLE", "--operator", "Ann")
    assert declined.returncode == 0, declined.stderr
    await desk.settled()
    assert "expired (refunded)" in tenure("timeline", first).stdout


@pytest.mark.parametrize(
    ("size", "words"),
    [(65 * 1024, "65536 are allowed"), (1024 * 1024 + 1, "Kafka itself refuses more than 1 MiB")],
    ids=["over 64 KiB", "over 1 MiB"],
)
async def test_what_is_too_large_is_not_published(
    tenure: Terminal, desk: Desk, size: int, words: str
) -> None:
    order = upstream.order("R-large", "1", later="x" * size)
    message = upstream.message("R-large", "order-placed", await desk.now(), order)
    before = len(desk.recording.records)
    done = tenure("publish", "-", stdin=json.dumps(message))
    assert (done.returncode, done.stdout) == (1, "")
    assert "too_large" in done.stderr
    assert words in done.stderr
    await desk.settled()
    assert len(desk.recording.records) == before


async def test_with_one_bad_message_nothing_is_published(tenure: Terminal, desk: Desk) -> None:
    order = upstream.order("R-good", "1")
    good = upstream.message("R-good", "order-placed", await desk.now(), order)
    bad = {**good, "data": {**order, "amount": {"minor": 4999}}}
    before = len(desk.recording.records)
    done = tenure("publish", "-", stdin=f"{json.dumps(good)}\n{json.dumps(bad)}\n")
    assert done.returncode == 1
    assert "Line 2: invalid_field: Field 'data.amount.currency'" in done.stderr
    await desk.settled()
    assert len(desk.recording.records) == before
