"""A collector of traces: takes what OTLP exporters hand in over HTTP, or behaves badly on purpose."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any, Literal

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

Behaviour = Literal["takes", "refuses", "hangs"]
KINDS = {
    Span.SPAN_KIND_INTERNAL: "internal",
    Span.SPAN_KIND_CLIENT: "client",
    Span.SPAN_KIND_CONSUMER: "consumer",
}


@dataclass(frozen=True)
class Told:
    """One span as the collector got it; ids in hex, `parent` empty for a root."""

    service: str
    name: str
    kind: str
    trace: str
    id: str
    parent: str
    failed: bool
    attributes: dict[str, str | int]


class Collector:
    """`with collector() as one:` gives a running one at `one.url`."""

    def __init__(self) -> None:
        """It takes everything."""
        self.behaviour: Behaviour = "takes"
        self.url = ""
        self.requests = 0
        self.headers: dict[str, str] = {}
        self.closing = Event()
        self._lock = Lock()
        self._spans: list[Told] = []

    def spans(self, trace: str | None = None) -> list[Told]:
        """What was handed in so far, of one trace or of all."""
        with self._lock:
            return [one for one in self._spans if trace in (None, one.trace)]

    def take(self, body: bytes, headers: dict[str, str]) -> int:
        """One request; the status to answer with."""
        with self._lock:
            self.requests += 1
            self.headers = headers
        if self.behaviour == "hangs":
            self.closing.wait()
        if self.behaviour != "takes":
            return 503
        if headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        with self._lock:
            self._spans += _read(body)
        return 200


def _read(body: bytes) -> list[Told]:
    found = []
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        service = str(_plain(resource.resource.attributes)["service.name"])
        for scope in resource.scope_spans:
            for span in scope.spans:
                found.append(
                    Told(
                        service,
                        span.name,
                        KINDS.get(span.kind, "other"),
                        span.trace_id.hex(),
                        span.span_id.hex(),
                        span.parent_span_id.hex(),
                        span.status.code == Status.STATUS_CODE_ERROR,
                        _plain(span.attributes),
                    )
                )
    return found


def _plain(attributes: Any) -> dict[str, str | int]:
    return {
        one.key: one.value.int_value
        if one.value.HasField("int_value")
        else str(one.value.string_value)
        for one in attributes
    }


@contextmanager
def collector() -> Iterator[Collector]:
    """A collector on a free port of this machine."""
    made = Collector()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            given = {name.lower(): value for name, value in self.headers.items()}
            status = made.take(body, given | {"path": self.path})
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    serving = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    serving.start()
    try:
        yield made
    finally:
        made.closing.set()
        server.shutdown()
        server.server_close()
        serving.join(5)
