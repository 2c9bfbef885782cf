"""What the watch makes of a broker that goes away, and of topics that retention has emptied."""

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from aiokafka.admin import RecordsToDelete

from contracts.topics import SERVICES
from devstack.ports import Ports
from devstack.stack import EmbeddedStack
from ops.broker import Broker
from ops.services_http import get
from tests.support.eventually import eventually
from tests.watch.conftest import watched
from tests.watch.town import Told, Town, charged, on, paid, words

pytestmark = [pytest.mark.xdist_group("watch"), pytest.mark.timeout(300)]
_PATIENCE_S = 60.0


@pytest_asyncio.fixture(scope="module")
async def embedded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedStack]:
    """A broker of our own, which survives being killed."""
    folder = tmp_path_factory.mktemp("watched")
    async with EmbeddedStack(
        folder, Ports.free(), parts={"kafka"}, session_timeout_min_ms=1000
    ) as stack:
        yield stack


@pytest_asyncio.fixture
async def town(embedded: EmbeddedStack) -> AsyncIterator[Town]:
    """A watch on it, with topics of each test's own."""
    name = uuid4().hex[:8]
    variables = {
        **embedded.environment(),
        "KAFKA_PARTITIONS": "3",
        "KAFKA_SESSION_TIMEOUT_MS": "6000",
        "KAFKA_TOPIC_PREFIX": f"{name}-",
        "KAFKA_GROUP_PREFIX": f"{name}-",
    }
    async with watched(variables, embedded.state_dir / name) as town:
        yield town


async def _waits(town: Town) -> None:
    async def says_so() -> bool:
        town.running.refuse_dead("watch")
        status, said = await get(f"{town.running.url('watch')}/readyz")
        return status == 503 and "Kafka" in str(said)

    await eventually(says_so, _PATIENCE_S)


async def test_a_broker_that_dies_is_waited_for(embedded: EmbeddedStack, town: Town) -> None:
    stands, heals = paid(), paid()
    for told in (stands, heals):
        await town.tell(told, on("billing", "notifications"))
        await town.wait_for(told.id, "+PAID_NOT_ENTITLED")
    await _lag(town)
    process = town.running.pid("watch")
    await embedded.kafka.kill()
    await _waits(town)
    await embedded.kafka.start()
    await town.ready(_PATIENCE_S)
    await _goes_on(town, stands.id, heals)
    assert town.running.pid("watch") == process


async def test_a_watch_that_starts_before_its_broker_waits(
    embedded: EmbeddedStack, town: Town
) -> None:
    stands, heals = paid(), paid()
    for told in (stands, heals):
        await town.tell(told, on("billing", "notifications"))
        await town.wait_for(told.id, "+PAID_NOT_ENTITLED")
    await _lag(town)
    await town.running.kill("watch")
    await embedded.kafka.kill()
    town.running.spawn("watch")
    await _waits(town)
    await embedded.kafka.start()
    await town.ready(_PATIENCE_S)
    await _goes_on(town, stands.id, heals)


async def _goes_on(town: Town, stands: UUID, heals: Told) -> None:
    """What stands is not told again, what is healed is resolved, what is new is found."""
    async with Town.at(town.stack, town.running) as again:
        await again.tell(heals)
        await again.wait_for(heals.id, "-PAID_NOT_ENTITLED")
        new = paid()
        await again.tell(new, on("billing", "notifications"))
        await again.wait_for(new.id, "+PAID_NOT_ENTITLED")
        assert await again.alerts(stands) == []
        assert await again.alerts(None) == []
        assert len(again.recording.records) == 2
        await again.catch_up()
        await again.wait_for(None, *["-SERVICE_LAGS"] * len(SERVICES))


async def _lag(town: Town) -> None:
    """Nobody reads for the services, so that each of them lags soon."""
    await town.wait_for(None, *["+SERVICE_LAGS"] * len(SERVICES))


async def test_what_retention_took_is_no_lag(town: Town) -> None:
    await town.tell(paid())
    await _lag(town)
    for topic in ("billing.events", "licensing.events", "notifications.events"):
        await _empty(town, topic)
    await town.wait_for(
        None, *["+SERVICE_LAGS"] * len(SERVICES), *["-SERVICE_LAGS"] * len(SERVICES)
    )


@pytest.mark.parametrize("emptied", ["billing.events", "licensing.events", "notifications.events"])
async def test_a_topic_that_retention_emptied_raises_nothing(town: Town, emptied: str) -> None:
    """Neither while the watch runs nor after its restart; what is told since then is judged."""
    right, wrong = (paid(), Told(charged())), paid()
    for told in right:
        await town.tell(told)
    await town.tell(wrong, on("billing", "notifications"))
    await town.wait_for(wrong.id, "+PAID_NOT_ENTITLED")
    await _empty(town, emptied)
    await _finds_what_is_new(town)
    await town.running.kill("watch")
    town.running.spawn("watch")
    await town.ready(_PATIENCE_S)
    await _finds_what_is_new(town)
    for told in right:
        assert await town.alerts(told.id) == []
    # Of what billing or licensing told about it nothing is left: whether it still stands nobody knows.
    known = emptied == "notifications.events"
    expected = ["+PAID_NOT_ENTITLED", *([] if known else ["-PAID_NOT_ENTITLED"])]
    assert words(await town.alerts(wrong.id)) == expected


async def _empty(town: Town, name: str) -> None:
    """Delete every record, as retention does at the end of its days."""
    async with Broker(town.stack) as broker:
        partitions = await broker.partitions([town.stack.topic(name)])
        ends = await broker.ends(partitions)
        await broker.admin.delete_records({tp: RecordsToDelete(end) for tp, end in ends.items()})
        firsts = await broker.consumer.beginning_offsets(partitions)
        assert firsts == ends


async def _finds_what_is_new(town: Town) -> None:
    """All that is known has been judged by then."""
    for silent, code in (
        ("licensing", "PAID_NOT_ENTITLED"),
        ("notifications", "PAID_NOT_CONFIRMED"),
    ):
        told = paid()
        await town.tell(told, lambda message, silent=silent: not on(silent)(message))
        await town.wait_for(told.id, f"+{code}")
        await town.tell(told)
        await town.wait_for(told.id, f"+{code}", f"-{code}")
