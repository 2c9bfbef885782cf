"""`tenure top` beside real services and a real watch: rates, latency, and what goes wrong, while it does."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio

from devstack import ports
from ops.connection import Stack
from ops.services_http import get
from ops.supervisor import Services
from ops.terminal import run
from ops.up import WATCH
from ops.work import read_now
from tests.ops.orders import paid_order
from tests.ops.running import Buy, Tenure
from tests.support.eventually import eventually

pytestmark = [pytest.mark.xdist_group("ops"), pytest.mark.timeout(240)]


@pytest_asyncio.fixture
async def watch(
    office: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[str]:
    """A watch over the office's topics, which the command finds by its variable; its address."""
    (port,) = ports.free_ports(1)
    own = {"WATCH_HTTP_PORT": str(port), "WATCH_ENTITLED_WITHIN": "1"}
    running = Services({**office.variables, **own}, state_dir=tmp_path, names=(), companions=WATCH)
    async with running:
        url = running.url("watch")

        async def judges() -> bool:
            running.refuse_dead("watch")
            return (await get(f"{url}/readyz"))[0] == 200

        await eventually(judges, 60)
        yield url


@pytest.fixture
def top(watch: str, tenure: Tenure, monkeypatch: pytest.MonkeyPatch) -> Tenure:
    """One frame, as lines of words."""
    monkeypatch.setenv("WATCH_HTTP_URL", watch)
    return lambda *more: tenure("top", "--once", "--interval", "0.3", *more)


def rows(top: Tenure) -> dict[str, str]:
    """The rows of a frame by their first word; white space counts once."""
    done = top()
    assert (done.returncode, done.stderr) == (0, "")
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    return {line.partition(" ")[0]: line for line in lines}


def wait_until(holds: Callable[[], None]) -> None:
    """Wait until it raises nothing any more; the command runs a loop of its own."""

    async def held() -> bool:
        await asyncio.to_thread(holds)
        return True

    run(eventually(held, 60))


def test_rates_latency_and_populations_of_a_sale(top: Tenure, buy: Buy) -> None:
    before = rows(top)
    assert before["watch"].endswith("ready")
    assert before["billing"].endswith("ready")
    buy(f"Top-{uuid4().hex[:8]}")

    def stages_are_measured() -> None:
        lines = top().stdout.splitlines()
        stages = [line.split() for line in lines if line.startswith("payment to")]
        assert [stage[2] for stage in stages] == ["entitlement", "mail"]
        assert all("ms" in stage or "s" in stage for stage in stages)

    wait_until(stages_are_measured)
    after = rows(top)
    assert "active" in after["subscriptions"] or "not known" in after["subscriptions"]
    assert {"payments.events", "billing.events", "notifications.events"} <= after.keys()
    assert after["alerts"]


def test_a_service_that_is_away_lags_and_alerts(
    top: Tenure, tenure: Tenure, office: Services, where: Stack, tmp_path: Path
) -> None:
    reference = f"Top-{uuid4().hex[:8]}"
    run(office.stop("licensing"))
    try:

        async def now() -> str:
            async with where.database() as connection:
                return paid_order(reference, await read_now(connection, virtual=True))

        file = tmp_path / "order.json"
        file.write_text(run(now()))
        assert tenure("publish", str(file)).returncode == 0

        def alerted() -> None:
            assert "PAID_NOT_ENTITLED" in rows(top)

        wait_until(alerted)
        seen = rows(top)
        assert seen["licensing"].endswith("away")
        assert "Paid at" in seen["PAID_NOT_ENTITLED"]
        lag = int(seen["licensing"].split()[3])
        assert lag > 0
        assert f"nobody answers at {office.url('licensing')}" in seen["licensing:"]
        assert seen["billing"].endswith("ready")
    finally:
        office.spawn("licensing")
        run(office.wait_ready("licensing"))

    def resolved() -> None:
        assert "PAID_NOT_ENTITLED" not in rows(top)

    assert tenure("clock", "advance", "1m").returncode == 0
    wait_until(resolved)
    told = tenure("alerts", "--all", "--json").stdout.splitlines()
    assert [a["resolved_at"] is not None for a in map(json.loads, told)] == [True] * len(told)


def test_without_the_watch_the_services_are_shown(
    tenure: Tenure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCH_HTTP_URL", "http://127.0.0.1:1")
    seen = rows(lambda: tenure("top", "--once", "--interval", "0.3"))
    assert seen["watch:"] == "watch: nobody answers at http://127.0.0.1:1"
    assert seen["watch"].endswith("away")
    assert seen["notifications"].endswith("ready")
    assert "the watch is away" in seen["subscriptions"]
