"""A year in which customers renew, lapse and recover, and what an operator does and sees meanwhile."""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from devstack.behaviour import opening
from ops.clock import VirtualClock
from ops.work import read_now
from tests.e2e.conftest import Report, Start
from tests.e2e.system import Ended, System
from tests.support.judge import judge
from tests.support.people import NOW, lives, people, told_in_a_year
from tests.support.sight import PATIENCE_S

pytestmark = pytest.mark.timeout(300)
_ROOT = Path(__file__).resolve().parents[2]


@pytest_asyncio.fixture(scope="module")
async def system(start_system: Start) -> AsyncIterator[System]:
    """Both tests live on it, one after the other."""
    async with start_system(NOW) as made:
        yield made


async def _tenure(system: System, *words: str) -> Ended:
    """Run the command as an operator on the host does, through the published ports."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ops", *words,
        cwd=_ROOT,
        env={**os.environ, **system.stack.variables, **await _addresses(system), "COLUMNS": "200"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    return Ended(process.returncode or 0, tuple(out.decode().splitlines()))


async def _addresses(system: System) -> dict[str, str]:
    services = ("billing", "licensing", "notifications")
    return {f"{name.upper()}_HTTP_URL": (await system.urls(name))[0] for name in services}


async def test_a_year_of_renewals(system: System, report: Report) -> None:
    customers = lives("Y", 12)
    await system.plan(customers)
    began = time.monotonic()
    async with VirtualClock(system.stack) as clock:
        assert not (await clock.advance(NOW + timedelta(days=410), timeout_s=PATIENCE_S)).stuck
    seconds = time.monotonic() - began
    report("a year passes", "all", await judge(system, customers, told_in_a_year), seconds)


async def test_an_operator_follows_cancels_and_pays_back(system: System, tmp_path: Path) -> None:
    now = await _now(system)
    (customer,) = people("OP", 1, now - timedelta(minutes=1))
    for number, publication in enumerate(opening(customer)):
        file = tmp_path / f"{number}.json"
        file.write_text(json.dumps(publication.message))
        assert (await _tenure(system, "publish", str(file))).code == 0
    await system.quiet()
    access = await _json(system, "access", customer.reference, "--json")
    assert access["state"] == "active"

    canceled = await _tenure(system, "cancel", customer.reference)
    assert canceled.code == 0, canceled.lines
    refused = await _tenure(system, "cancel", customer.reference)
    assert refused.code == 1, refused.lines
    assert "NO_AUTO_RENEWAL" in " ".join(refused.lines)

    asked = await _tenure(
        system, "refunds", "request", customer.reference, f"{customer.reference}-1",
        "--purchased-on", f"{customer.ordered_at:%Y-%m-%d}",
        "--name", customer.name, "--email", customer.email,
    )  # fmt: skip
    assert asked.code == 0, asked.lines
    case = asked.lines[-1].removeprefix("case ")
    approved = await _tenure(system, "refunds", "approve", case, "--operator", "Kim")
    assert approved.code == 0, approved.lines
    async with VirtualClock(system.stack) as clock:
        await clock.advance(now + timedelta(days=5), timeout_s=PATIENCE_S)
    assert (await _json(system, "access", customer.reference, "--json"))["state"] == "revoked"
    subjects = [mail["Subject"] for mail in await system.mailbox.search(f"to:{customer.email}")]
    assert subjects == [
        "Your money was paid back",
        "Your subscription has ended",
        "Your refund is on its way",
        "We received your refund request",
        "Your subscription is canceled",
        "Your order at Online Store is confirmed",
    ]
    timeline = await _tenure(system, "timeline", customer.reference)
    assert "refund" in "\n".join(timeline.lines)
    for check in ("status", "audit"):
        assert (await _tenure(system, check)).code == 0, check


async def _json(system: System, *words: str) -> dict[str, Any]:
    answer = await _tenure(system, *words)
    assert answer.code == 0, answer.lines
    decoded: dict[str, Any] = json.loads("\n".join(answer.lines))
    return decoded


async def _now(system: System) -> datetime:
    async with system.stack.database() as connection:
        return await read_now(connection, virtual=True)
