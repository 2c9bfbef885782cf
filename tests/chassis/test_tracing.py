"""Traces: passed on when off, told of what was committed when on, and never in anybody's way."""

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from chassis.due_scan import cause_of
from chassis.errors import ConfigurationError
from chassis.reading import read
from chassis.records import Record
from chassis.settings import load_settings
from chassis.spans import Recorder
from chassis.tracing import TracingSettings, given, log_fields, traces_of
from contracts.topics import BILLING_COMMANDS, NOTIFICATIONS_EVENTS, PAYMENTS_EVENTS
from tests.chassis import tally
from tests.chassis.conftest import Desk, make_processor
from tests.contracts.published import example
from tests.support.collector import Collector, Told, collector
from tests.support.held_stack import PROJECT
from tests.support.worker_stack import WorkerStack

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"
OTHER = f"00-{TRACE[::-1]}-b7ad6b7169203331-01"
BASE = "OTEL_EXPORTER_OTLP_ENDPOINT"


@pytest.fixture(autouse=True)
def _unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the machine's own variables say is nothing to these tests."""
    for name in TracingSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(autouse=True)
def _no_thread_stays() -> Iterator[None]:
    """What goes on handing over draws random pauses, which would disturb tests that fix the seed."""
    yield
    for thread in threading.enumerate():
        if thread.name.startswith("OtelBatch"):
            thread.join(30)
            assert not thread.is_alive()


# what is set


def test_without_an_endpoint_nothing_of_the_sdk_is_loaded() -> None:
    code = (
        "import sys, services.billing.__main__, services.notifications.__main__\n"
        "from chassis.tracing import OFF, traces_of\n"
        "assert traces_of('billing', None) is OFF\n"
        "loaded = [n for n in sys.modules if n.startswith(('opentelemetry.sdk', 'opentelemetry.exporter',"
        " 'opentelemetry.proto', 'google.protobuf', 'requests', 'chassis.spans'))]\n"
        "sys.exit(f'loaded: {loaded}' if loaded else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("variables", "endpoint"),
    [
        ({}, None),
        ({BASE: ""}, None),
        ({BASE: "http://collector:4318"}, "http://collector:4318/v1/traces"),
        ({BASE: "https://collector/otlp/"}, "https://collector/otlp/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:1/here"}, "http://c:1/here"),
        (
            {BASE: "http://a:1", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://b:1/x"},
            "http://b:1/x",
        ),
        ({BASE: "http://a:1", "OTEL_SDK_DISABLED": "true"}, None),
        ({BASE: "http://a:1", "OTEL_TRACES_EXPORTER": "none"}, None),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_TRACES_SAMPLER": "mine"}, None),
    ],
)
def test_where_spans_go(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], endpoint: str | None
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert load_settings(TracingSettings).endpoint == endpoint


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        ({BASE: "collector:4318"}, f"{BASE}: It must be http://host:port or https://host:port."),
        ({BASE: "grpc://c:4317"}, f"{BASE}: It must be http://host:port or https://host:port."),
        ({BASE: "http://"}, f"{BASE}: It must be http://host:port or https://host:port."),
        ({BASE: "http://c:x"}, f"{BASE}: It must be http://host:port or https://host:port."),
        ({BASE: "http://a b:1"}, f"{BASE}: It must be http://host:port or https://host:port."),
        (
            {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "c"},
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: It must be http://host:port or https://host:port.",
        ),
        (
            {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "OTEL_EXPORTER_OTLP_PROTOCOL: It must be http/protobuf, the port usually 4318.",
        ),
        (
            {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json"},
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: It must be http/protobuf, the port usually 4318.",
        ),
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER: It must be otlp or none."),
        (
            {"OTEL_TRACES_SAMPLER": "often"},
            "OTEL_TRACES_SAMPLER: It must be always_on, always_off,",
        ),
        (
            {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "10%"},
            "OTEL_TRACES_SAMPLER_ARG: It must be a number from 0 to 1.",
        ),
        ({"OTEL_BSP_MAX_QUEUE_SIZE": "0"}, "An OTEL_ variable cannot be used: max_queue_size must"),
    ],
)
def test_what_cannot_be_used_is_one_line(
    monkeypatch: pytest.MonkeyPatch, stack: WorkerStack, variables: dict[str, str], line: str
) -> None:
    for name, value in {BASE: "http://collector:4318", **variables}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as raised:
        traces_of("billing", stack.ops.kafka)
    assert str(raised.value).startswith(line)
    assert "\n" not in str(raised.value)


# which trace a message belongs to


def _record(field: str | None, *headers: tuple[str, bytes | None]) -> Record:
    command = tally.command("5f0c9c9e-0000-4000-8000-000000000001", "x", traceparent=field)
    return Record(
        BILLING_COMMANDS.name, 0, 0, 1, command.subject.encode(), command.to_json(), headers
    )


@pytest.mark.parametrize(
    ("record", "found"),
    [
        (_record(None), None),
        (_record(PARENT), PARENT),
        (_record(None, ("ce_type", b"x"), ("traceparent", PARENT.encode())), PARENT),
        (_record(PARENT, ("traceparent", OTHER.encode())), PARENT),
        (_record("00-1-2-3"), None),
        (_record(None, ("traceparent", None)), None),
        (_record(None, ("traceparent", b"\xff\x00")), None),
        (_record(None, ("traceparent", PARENT.upper().encode())), None),
        (_record(None, ("traceparent", b"ff" + PARENT[2:].encode())), None),
        (_record(None, ("traceparent", f"00-{'0' * 32}-b7ad6b7169203331-01".encode())), None),
        (_record(None, ("traceparent", f"00-{TRACE}-{'0' * 16}-01".encode())), None),
        (_record(None, ("traceparent", PARENT.encode() + b"-x")), None),
    ],
)
def test_a_trace_is_taken_from_the_envelope_else_from_the_header(
    record: Record, found: str | None
) -> None:
    assert given(read(record)) == found


def test_a_log_line_names_the_trace_only_where_there_is_one() -> None:
    assert log_fields(PARENT) == {"trace_id": TRACE}
    assert log_fields(None) == {}


@pytest.mark.parametrize("type", ["payments.payment-succeeded.v1", "billing.cancel.v1"])
def test_the_same_message_of_another_trace_says_the_same(type: str) -> None:
    topic = PAYMENTS_EVENTS if type.startswith("payments") else BILLING_COMMANDS
    seen = set()
    for trace in (None, PARENT, OTHER):
        message = {**example(type), "traceparent": trace}
        key, value = str(message["subject"]).encode(), json.dumps(message).encode()
        one = read(Record(topic.name, 0, 0, 1, key, value))
        assert one.problem is None
        seen.add(one.sha)
    assert len(seen) == 1


async def test_a_repetition_of_another_trace_is_dropped(desk: Desk) -> None:
    first = tally.command(desk.id, "one", traceparent=PARENT)
    again = first.model_copy(update={"traceparent": OTHER})
    await desk.processor.consume([desk.topics.of(first)])
    await desk.processor.consume([desk.topics.of(again)])
    assert await desk.notes() == ["one"]
    assert await desk.dead_letters() == []


# off


async def test_off_a_trace_is_passed_on_and_nothing_is_added(desk: Desk) -> None:
    header = (("traceparent", PARENT.encode()),)
    await desk.processor.consume(
        [
            desk.topics.of(tally.command(desk.id, "untraced")),
            desk.topics.of(tally.command(desk.id, "field", traceparent=OTHER)),
            replace(desk.topics.of(tally.command(desk.id, "header")), headers=header),
            desk.topics.of(tally.command(desk.id, "nonsense", traceparent="00-1-2-3")),
        ]
    )
    told = await desk.told()
    assert [one.get("traceparent") for one in told] == [None, OTHER, PARENT, None]
    headers = [
        row["headers"] for row in await desk.pool.fetch("select headers from outbox order by id")
    ]
    usual = {
        "content-type": "application/cloudevents+json",
        "ce_type": "billing.cancellation-withdrawn.v1",
    }
    assert [one and json.loads(one) for one in headers] == [
        None,
        usual | {"traceparent": OTHER},
        usual | {"traceparent": PARENT},
        None,
    ]
    assert b"traceparent" not in await desk.pool.fetchval("select value from outbox order by id")


# on


@pytest.fixture
def at() -> Iterator[Collector]:
    """A collector."""
    with collector() as made:
        yield made


class Watched:
    """A desk whose processor records its spans."""

    def __init__(self, desk: Desk, pool: asyncpg.Pool, at: Collector, stack: WorkerStack) -> None:
        self.desk = desk
        self.recorder = Recorder("billing", stack.ops.kafka, f"{at.url}/v1/traces")
        self.processor = make_processor(pool, traces=self.recorder)
        self._at = at

    async def spans(self) -> list[Told]:
        """Everything that was recorded; nothing is recorded from now on."""
        await self.recorder.close()
        return self._at.spans()


@pytest_asyncio.fixture
async def watched(
    desk: Desk, pool: asyncpg.Pool, at: Collector, stack: WorkerStack
) -> AsyncIterator[Watched]:
    """The processor with a collector behind it."""
    made = Watched(desk, pool, at, stack)
    yield made
    await made.recorder.close()


async def test_a_message_is_a_span_and_what_it_causes_is_its_child(
    watched: Watched, stack: WorkerStack
) -> None:
    desk = watched.desk
    command = tally.command(desk.id, "one", traceparent=PARENT)
    await watched.processor.consume([desk.topics.of(command)])
    (told,) = await desk.told()
    (span,) = await watched.spans()
    assert told["traceparent"][:53] == f"00-{TRACE}-{span.id}-"
    assert (span.trace, span.parent) == (TRACE, "b7ad6b7169203331")
    assert (span.name, span.kind, span.failed) == ("process billing.cancel.v1", "consumer", False)
    assert span.service == "tenure-billing"
    assert span.attributes == {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.consumer.group.name": f"{stack.prefix}tenure.billing",
        "messaging.destination.name": stack.ops.topic(BILLING_COMMANDS.name),
        "messaging.destination.partition.id": "0",
        "messaging.kafka.offset": 0,
        "messaging.message.id": command.id,
        "tenure.subscription_id": str(desk.id),
        "tenure.outcome": "done",
    }


async def test_a_message_without_a_trace_begins_one(watched: Watched) -> None:
    desk = watched.desk
    await watched.processor.consume([desk.topics.of(tally.command(desk.id, "one"))])
    (told,) = await desk.told()
    (span,) = await watched.spans()
    assert span.parent == ""
    assert told["traceparent"][:53] == f"00-{span.trace}-{span.id}-"


async def test_a_dead_letter_is_a_failed_span_with_its_code(watched: Watched) -> None:
    desk = watched.desk
    topic, key = BILLING_COMMANDS.name, str(desk.id).encode()
    header = (("traceparent", PARENT.encode()),)
    await watched.processor.consume(
        [
            desk.topics.record(topic, key, b"garbage", headers=header),
            desk.topics.of(tally.command(desk.id, tally.IMPOSSIBLE, traceparent=OTHER)),
        ]
    )
    spans = {span.trace: span for span in await watched.spans()}
    assert spans.keys() == {TRACE, TRACE[::-1]}
    unreadable, impossible = spans[TRACE], spans[TRACE[::-1]]
    assert unreadable.failed
    assert impossible.failed
    assert unreadable.name.endswith(BILLING_COMMANDS.name)
    assert unreadable.attributes["error.type"] == "not_json"
    assert impossible.attributes["error.type"] == "made_up"
    assert impossible.attributes["tenure.outcome"] == "dead_letter"


async def test_what_was_rolled_back_leaves_no_span(watched: Watched) -> None:
    desk = watched.desk
    await watched.processor.consume(
        [
            desk.topics.of(tally.command(desk.id, "one")),
            desk.topics.of(tally.command(desk.id, tally.UNSTORABLE)),
        ]
    )
    assert await desk.notes() == ["one"]
    outcomes = [span.attributes["tenure.outcome"] for span in await watched.spans()]
    assert sorted(outcomes) == ["dead_letter", "done"]


async def test_a_held_message_is_a_span_when_its_turn_has_come(watched: Watched) -> None:
    desk = watched.desk
    first, second = (tally.outcome(desk.id, str(n), n, traceparent=PARENT) for n in (1, 2))
    await watched.processor.consume([desk.topics.of(second)])
    await watched.processor.consume([desk.topics.of(second)])
    await watched.processor.consume([desk.topics.of(first)])
    assert await desk.notes() == ["1", "2"]
    spans = await watched.spans()
    assert [span.attributes["messaging.message.id"] for span in spans] == [first.id, second.id]
    names = {str(span.attributes["messaging.destination.name"]) for span in spans}
    assert [name.endswith(NOTIFICATIONS_EVENTS.name) for name in names] == [True]


async def test_a_deadline_is_the_root_of_a_trace(watched: Watched) -> None:
    desk = watched.desk
    alarm = tally.command(desk.id, f"{tally.ALARM}0", traceparent=PARENT)
    await watched.processor.consume([desk.topics.of(alarm)])
    assert (await watched.processor.run_due(cause_of, 10))[0] == 1
    _, told = await desk.told()
    _, span = await watched.spans()
    assert (span.name, span.kind, span.parent) == ("process deadline", "internal", "")
    assert span.trace != TRACE
    assert told["traceparent"][:53] == f"00-{span.trace}-{span.id}-"
    assert span.attributes["tenure.subscription_id"] == str(desk.id)


async def test_what_upstream_does_not_sample_is_not_recorded_but_passed_on(
    watched: Watched,
) -> None:
    desk = watched.desk
    unsampled = f"{PARENT[:-2]}00"
    await watched.processor.consume(
        [desk.topics.of(tally.command(desk.id, "one", traceparent=unsampled))]
    )
    (told,) = await desk.told()
    assert told["traceparent"].startswith(f"00-{TRACE}-")
    assert told["traceparent"].endswith("-00")
    assert await watched.spans() == []


async def test_the_sdk_s_own_variables_are_heard(
    monkeypatch: pytest.MonkeyPatch, at: Collector, stack: WorkerStack
) -> None:
    variables = {
        BASE: at.url,
        "OTEL_SERVICE_NAME": "mine",
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20x",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    traces = traces_of("billing", stack.ops.kafka)
    traces.call("send x", PARENT, {"a": 1}).end("refused", {"b": 2}, failed=True)
    await traces.close()
    (span,) = at.spans()
    assert (span.service, span.trace, span.kind, span.failed) == ("mine", TRACE, "client", True)
    assert span.attributes == {"a": 1, "b": 2, "tenure.outcome": "refused", "error.type": "refused"}
    assert at.headers["authorization"] == "Bearer x"
    assert at.headers["path"] == "/v1/traces"


async def test_a_sampler_of_the_sdk_decides(
    monkeypatch: pytest.MonkeyPatch, at: Collector, stack: WorkerStack
) -> None:
    monkeypatch.setenv(BASE, at.url)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0")
    traces = traces_of("billing", stack.ops.kafka)
    traces.call("root", None, {}).end("accepted", {}, failed=False)
    traces.call("child", PARENT, {}).end("accepted", {}, failed=False)
    await traces.close()
    assert [span.name for span in at.spans()] == ["child"]


# a collector that is away, or does not answer


@pytest.mark.parametrize("behaviour", ["refuses", "hangs"])
async def test_a_bad_collector_delays_nobody(
    at: Collector, stack: WorkerStack, behaviour: Any
) -> None:
    at.behaviour = behaviour
    recorder = Recorder("billing", stack.ops.kafka, f"{at.url}/v1/traces")
    began, longest = time.monotonic(), 0.0
    for _ in range(5000):  # more than the queue holds
        before = time.monotonic()
        recorder.call("send x", None, {}).end("accepted", {}, failed=False)
        longest = max(longest, time.monotonic() - before)
        await asyncio.sleep(0)
    assert time.monotonic() - began < 10
    assert longest < 1
    began = time.monotonic()
    await recorder.close()
    assert time.monotonic() - began < 4
    assert at.spans() == []
    at.behaviour = "takes"
    at.closing.set()
