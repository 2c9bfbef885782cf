"""One trace from upstream's payment over three services to the mail; and what a collector cannot do."""

import time
from collections import Counter
from typing import Any
from uuid import uuid4

from aiokafka import AIOKafkaProducer

from contracts.topics import PAYMENTS_EVENTS
from contracts.values import subscription_id
from ops.supervisor import Services, free_ports
from tests.support import upstream
from tests.support.collector import Told, collector
from tests.support.desk import Desk, Header, desk_at
from tests.support.eventually import eventually
from tests.support.metrics import counted
from tests.support.worker_stack import WorkerStack

#: The span of upstream that says that money came in.
SPAN = "b7ad6b7169203331"
BASE = "OTEL_EXPORTER_OTLP_ENDPOINT"
PAYMENT = "payments.payment-succeeded.v1"
MAIL = "send mail order-confirmation"


def running(town: WorkerStack, **variables: str) -> Services:
    """The three services of the town, with these variables besides."""
    environment = {**town.variables, **variables}
    return Services(environment, state_dir=town.folder / town.name, ports=free_ports())


async def paid(
    desk: Desk, reference: str, headers: list[Header] | None = None, **fields: Any
) -> None:
    """An order without a trace, and its payment with these headers and fields besides."""
    now, order = await desk.now(), f"{reference}-1"
    await desk.tell(reference, "order-placed", now, upstream.order(reference, order))
    message = upstream.message(reference, "payment-succeeded", now, upstream.success(order))
    value = upstream.raw({**message, **fields})
    await desk.send(PAYMENTS_EVENTS, reference.encode(), value, headers or [])


def reaches_from_payment_to_mail(spans: list[Told], id: str) -> None:
    """The spans of one trace: each has its parent in it, and all three services take part."""
    by_id = {span.id: span for span in spans}
    (first,) = [span for span in spans if span.parent not in by_id]
    assert (first.service, first.name) == ("tenure-billing", f"process {PAYMENT}")
    assert (first.kind, first.parent) == ("consumer", SPAN)
    assert {span.attributes["tenure.subscription_id"] for span in spans} == {id}
    assert not any(span.failed for span in spans)
    writer = {"billing": "tenure-billing", "licensing": "tenure-licensing"}
    heard: Counter[tuple[str, str]] = Counter()
    for span in spans:
        if span is first or span.kind == "client":
            continue
        owner = span.name.removeprefix("process ").split(".")[0]
        if owner in writer:
            assert by_id[span.parent].service == writer[owner], span
            heard[owner, span.service] += 1
    assert heard["billing", "tenure-licensing"]
    assert heard["billing", "tenure-notifications"]
    assert heard["licensing", "tenure-notifications"]
    (mail,) = [span for span in spans if span.name == MAIL]
    assert (mail.service, mail.kind) == ("tenure-notifications", "client")
    assert mail.attributes["tenure.outcome"] == "accepted"
    assert mail.attributes["tenure.smtp_code"] == 250
    asked = by_id[mail.parent]
    assert (asked.service, by_id[asked.parent]) == ("tenure-notifications", first)
    (proof,) = [s for s in spans if s.name == "process notifications.mail-accepted.v1"]
    assert (proof.service, proof.parent) == ("tenure-billing", mail.id)


async def test_one_trace_from_the_payment_to_the_mail(
    town: WorkerStack, producer: AIOKafkaProducer
) -> None:
    field, header, none = (f"R-{uuid4().hex[:12]}" for _ in range(3))
    traces = {field: uuid4().hex, header: uuid4().hex}
    given = {reference: f"00-{trace}-{SPAN}-01" for reference, trace in traces.items()}
    ids = {ref: subscription_id("online-store", ref) for ref in (field, header, none)}
    with collector() as at:
        services = running(town, **{BASE: at.url})
        async with services, desk_at(town.ops, producer) as desk:
            await paid(desk, field, traceparent=given[field])
            await paid(desk, header, [("traceparent", given[header].encode())])
            await paid(desk, none)
            await desk.settled()
        assert [services.exit_code(name) for name in services.names] == [0, 0, 0]
        for reference, trace in traces.items():
            reaches_from_payment_to_mail(at.spans(trace), str(ids[reference]))
        (begun,) = [
            span
            for span in at.spans()
            if span.name == f"process {PAYMENT}"
            and span.attributes["tenure.subscription_id"] == str(ids[none])
        ]
        assert begun.parent == ""
        assert MAIL in {span.name for span in at.spans(begun.trace)}
        everything = repr(at.spans())
    assert upstream.HOST not in everything
    assert upstream.NAME not in everything
    assert "@" not in everything
    said = [m for id in ids.values() for m in desk.recording.messages(id)]
    spans = {span.id for span in at.spans()}
    ours = [m for m in said if m.source.startswith("/tenure/")]
    assert {m.traceparent.split("-")[2] for m in ours if m.traceparent} <= spans
    assert [m.type for m in ours if not m.traceparent] == []
    for record in desk.recording.records:
        headers = dict(record.headers)
        if b'"source":"/tenure/' in (record.value or b""):
            assert b'"traceparent":"%s"' % headers["traceparent"] in record.value


async def test_off_upstreams_trace_is_passed_on_to_the_end(
    town: WorkerStack, producer: AIOKafkaProducer
) -> None:
    traced, none = (f"R-{uuid4().hex[:12]}" for _ in range(2))
    given = f"00-{uuid4().hex}-{SPAN}-01"
    async with running(town), desk_at(town.ops, producer) as desk:
        await paid(desk, traced, traceparent=given)
        await paid(desk, none)
        await desk.settled()
    accepted = "notifications.mail-accepted.v1"
    told = {m.type: m for m in desk.recording.messages(subscription_id("online-store", traced))}
    assert told[accepted].traceparent == given
    untraced = desk.recording.messages(subscription_id("online-store", none))
    assert accepted in {m.type for m in untraced}
    assert {m.traceparent for m in untraced} == {None}


async def test_a_collector_that_is_away_or_hangs_changes_nothing(
    town: WorkerStack, producer: AIOKafkaProducer
) -> None:
    references = [f"R-{uuid4().hex[:12]}" for _ in range(20)]
    eager = {"OTEL_BSP_SCHEDULE_DELAY": "50", "OTEL_EXPORTER_OTLP_TIMEOUT": "0.5"}
    nobody = f"http://127.0.0.1:{free_ports()['billing']}"
    with collector() as hanging, collector() as refusing:
        hanging.behaviour, refusing.behaviour = "hangs", "refuses"
        services = running(town, **eager)
        away = {"billing": nobody, "licensing": hanging.url, "notifications": refusing.url}
        for name, url in away.items():
            services.spawn(name, {BASE: url})
        async with services, desk_at(town.ops, producer) as desk:
            for reference in references:
                await paid(desk, reference)
            await desk.settled()
            for reference in references:
                mails = await town.mailbox.search(f"to:{upstream.address(reference)}")
                assert len(mails) == 1, reference
            assert desk.recording.dead_letters == []
            for name in services.names:
                url, spans = services.url(name), "tenure_trace_spans_total"
                await eventually(lambda: counted(url, spans, outcome="lost"), 20)  # noqa: B023
                assert counted(url, spans, outcome="sent") == 0
            began = time.monotonic()
        assert time.monotonic() - began < 15
        assert [services.exit_code(name) for name in services.names] == [0, 0, 0]
        assert hanging.requests
        assert refusing.requests
    for name in services.names:
        lines = (town.folder / town.name / "logs" / f"{name}.log").read_text().splitlines()
        (line,) = [one for one in lines if "collector" in one or "opentelemetry" in one]
        assert '"the collector does not take our spans"' in line
        assert "Traceback" not in "".join(lines)
