"""A database restored from an older backup: the groups are rewound, and everything ends as it was."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from chassis import kafka
from contracts.values import subscription_id
from ops.audit.run import audit
from ops.offsets import GroupOffsets, reads
from ops.recording import Recording
from ops.supervisor import Services, free_ports
from policies import load_policies
from tests.services.test_rolling_upgrade import bodies
from tests.support import upstream
from tests.support.desk import desk_at
from tests.support.worker_stack import WorkerStack

_SEEN_AT = re.compile(r'"(received_at|requested_at)":"[^"]*"')
_MARGIN = timedelta(seconds=1)


def running(town: WorkerStack) -> Services:
    """The three services of the town."""
    return Services(town.variables, state_dir=town.folder / town.name, ports=free_ports())


async def copied(town: WorkerStack, source: str, to: str) -> None:
    """Replace a database by a copy of another, as a restore does; nobody is connected to them."""
    await town.drop_database(to)
    await town.create_database(to, template=source)


async def rewind(town: WorkerStack, to: datetime) -> int:
    """What `kafka-consumer-groups --reset-offsets --to-datetime` does for our groups; how many records."""
    count = 0
    groups = reads(town.ops)
    async with GroupOffsets(town.ops, groups) as offsets:
        committed = await offsets.committed()
        for group in groups:
            prefix = town.variables["KAFKA_GROUP_PREFIX"]
            client = kafka.consumer(town.ops.kafka, group.removeprefix(prefix), "rewind")
            await client.start()
            try:
                partitions: list[TopicPartition] = offsets.partitions_of(group)
                client.assign(partitions)
                ends = await client.end_offsets(partitions)
                at = dict.fromkeys(partitions, int(to.timestamp() * 1000))
                found = await client.offsets_for_times(at)
                new = {tp: (found[tp].offset if found[tp] else ends[tp]) for tp in partitions}
                await client.commit({tp: OffsetAndMetadata(o, "") for tp, o in new.items()})
                count += sum(max(0, committed[group].get(tp, 0) - o) for tp, o in new.items())
            finally:
                await client.stop()
    return count


def told(recording: Recording, ids: Sequence[UUID]) -> Mapping[str, list[tuple[str, int]]]:
    """What was said about each subscription, by id and number, each message once."""
    return {str(id): sorted((m.id, m.sequence or 0) for m in recording.messages(id)) for id in ids}


def _timeless(states: Mapping[UUID, Mapping[str, str]]) -> dict[UUID, dict[str, str]]:
    """The states without the instants at which our own clock saw something, which it sees again."""
    return {
        id: {service: _SEEN_AT.sub("", body) for service, body in bodies.items()}
        for id, bodies in states.items()
    }


async def test_a_restored_database_catches_up_after_the_groups_are_rewound(
    town: WorkerStack, producer: AIOKafkaProducer
) -> None:
    references = [f"R-{uuid4().hex[:12]}" for _ in range(6)]
    ids = [subscription_id("online-store", reference) for reference in references]
    before, between, after = references[:2], references[2:4], references[4:]
    async with Recording(town.ops) as recording:
        async with running(town), desk_at(town.ops, producer) as desk:
            for reference in before:
                await desk.subscribe(reference, await desk.now())
            await desk.settled()
        backed_up_at = datetime.now(UTC)
        await copied(town, town.name, f"{town.name}_backup")

        async with running(town), desk_at(town.ops, producer) as desk:
            for reference in between:
                await desk.subscribe(reference, await desk.now())
            for reference in (before[0], between[0]):
                data = {"channel": "account"}
                await desk.tell(reference, "cancellation-requested", await desk.now(), data)
            await desk.settled()
            lost = {id: await bodies(town, id) for id in ids[:4]}
        await recording.read_on()
        said = told(recording, ids[:4])
        await copied(town, f"{town.name}_backup", town.name)
        assert await rewind(town, backed_up_at - _MARGIN) > 20

        async with running(town), desk_at(town.ops, producer) as desk:
            for reference in after:
                await desk.subscribe(reference, await desk.now())
            await desk.settled()
            found = {id: await bodies(town, id) for id in ids[:4]}
            report = await audit(town.ops, load_policies(), pause_s=0.5)
        await recording.read_on()
    # A mail cannot be called back: what left after the backup leaves again, as docs/operations.md says.
    for reference, copies in zip(references[:4], (1, 1, 2, 2), strict=True):
        confirmed = await town.mailbox.search(f"to:{upstream.address(reference)} subject:confirmed")
        assert len({mail["MessageID"] for mail in confirmed}) == 1, reference
        assert len(confirmed) == copies, reference
    assert _timeless(found) == _timeless(lost)
    assert told(recording, ids[:4]) == said
    assert recording.dead_letters == []
    assert (report.subscriptions, report.violations, report.moving) == (6, 0, 0)
