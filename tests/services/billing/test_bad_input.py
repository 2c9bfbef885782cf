"""What cannot be processed becomes a dead letter with its raw bytes and a reason; the rest goes through."""

from collections import Counter

import pytest
from aiokafka.errors import MessageSizeTooLargeError

from chassis import kafka
from contracts import billing, licensing
from contracts.envelope import OWN_SOURCE
from contracts.topics import PAYMENTS_EVENTS
from contracts.values import subscription_id
from ops.supervisor import Services
from tests.services.billing.heap import Bad, Heap
from tests.services.billing.rows import BAD
from tests.support.metrics import counted
from tests.support.worker_stack import WorkerStack

EACH = pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)


@EACH
def test_it_is_a_dead_letter_with_a_stable_code_and_one_sentence(heap: Heap, bad: Bad) -> None:
    (letter,) = heap.letters(bad)
    assert (letter.code, letter.attempts) == (bad.code, 1)
    assert bad.says in letter.error
    assert letter.error.count("\n") == 0
    assert letter.error.endswith(".")


@EACH
def test_it_keeps_raw_bytes_origin_and_headers(heap: Heap, bad: Bad) -> None:
    (letter,) = heap.letters(bad)
    assert letter.value == (bad.value or b"")
    told = letter.headers
    assert (told["dlq-topic"], told["dlq-consumer"]) == (bad.topic.name, "billing")
    assert (int(told["dlq-partition"]), int(told["dlq-offset"])) == bad.place
    assert int(told["dlq-timestamp"]) > 1_700_000_000_000  # the broker's, in milliseconds
    assert told["dlq-at"] == heap.now.isoformat()
    assert told["origin-trace"] == "abc-1"
    assert {"origin-binary", "origin-empty", "dlq-id", "dlq-subject"} <= set(told)


@EACH
async def test_nothing_else_changes(heap: Heap, bad: Bad, stack: WorkerStack) -> None:
    id = subscription_id("online-store", bad.reference)
    said = [m for m in heap.recording.messages(id) if m.source.startswith(OWN_SOURCE)]
    assert said == []
    async with stack.connect("reader") as connection:
        kept = await connection.fetchval(
            "select count(*) from billing.read_subscriptions where reference = $1", bad.reference
        )
        parked = await connection.fetchval(
            "select count(*) from billing.read_parked"
            ' where topic = $1 and partition = $2 and "offset" = $3',
            bad.topic.name,
            *bad.place,
        )
    assert (kept, parked) == (0, 1)


def test_the_rest_of_the_batch_goes_through(heap: Heap) -> None:
    for reference in heap.good:
        id = subscription_id("online-store", reference)
        (period,) = heap.recording.told(id, billing.PeriodScheduled)
        assert heap.recording.told(id, licensing.Entitlement)[-1].state == "active"
        assert period.order_id == f"{reference}-1"


def test_dead_letters_are_counted_by_code(heap: Heap, services: Services) -> None:
    url, name = services.url("billing"), "tenure_dead_letters_total"
    for (topic, code), number in Counter((bad.topic.name, bad.code) for bad in BAD).items():
        assert counted(url, name, topic=topic, code=code) >= number


async def test_the_broker_takes_no_message_over_a_mebibyte(stack: WorkerStack) -> None:
    settings = stack.ops.kafka
    topic = stack.ops.topic(PAYMENTS_EVENTS.name)
    async with kafka.producer(settings, "too-large") as patient:
        with pytest.raises(MessageSizeTooLargeError):
            await patient.send_and_wait(topic, b"x" * (1024 * 1024 + 1), b"R-1")
