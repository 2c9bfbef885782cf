"""The Faust app: every topic from its first record on, as raw bytes, one record at a time.

State is memory alone and is rebuilt by reading the topics again at each start (no tables, no
changelogs), so nothing is ever committed: the topics are declared without acknowledgements, and each
process has a group of its own. That is why a second watch sees everything as well.
"""

import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import faust
from faust.types.auth import CredentialsT

from contracts.topics import TOPICS
from ops.watch.hearing import Heard
from ops.watch.settings import WatchSettings

Take = Callable[[Heard, int], None]


class _App(faust.App):
    """An app that keeps no files."""

    def _create_directories(self) -> None:
        """Nothing is stored."""


def make_app(settings: WatchSettings, take: Take) -> faust.App:
    """The app; `take` hears each record, with the steady clock in ms, and never raises."""
    session_s = settings.kafka_session_timeout_ms / 1000
    app = _App(
        f"{settings.kafka_group_prefix}tenure.watch-{uuid4().hex[:12]}",
        broker=[f"kafka://{each.strip()}" for each in settings.kafka_bootstrap_servers.split(",")],
        broker_credentials=_credentials(settings),
        store="memory://",
        key_serializer="raw",
        value_serializer="raw",
        topic_allow_declare=False,
        topic_disable_leader=True,
        table_standby_replicas=0,
        consumer_auto_offset_reset="earliest",
        broker_max_poll_interval=10**6,
        broker_session_timeout=session_s,
        broker_heartbeat_interval=session_s / 10,
        broker_request_timeout=max(90, session_s),
        stream_wait_empty=True,
        web_enabled=False,
    )
    prefix = settings.kafka_topic_prefix
    topics = app.topic(
        *(prefix + topic.name for topic in TOPICS),
        key_type=bytes,
        value_type=bytes,
        acks=False,
        allow_empty=True,
    )

    @app.agent(topics, concurrency=1, name="watch")
    async def watch(stream: Any) -> None:
        async for event in stream.events():
            message = event.message
            take(
                Heard(
                    message.topic.removeprefix(prefix),
                    message.partition,
                    message.offset,
                    round(message.timestamp * 1000),
                    message.value,
                    dict(message.headers or {}),
                ),
                int(time.monotonic() * 1000),
            )

    return app


def _credentials(settings: WatchSettings) -> CredentialsT | None:
    context = settings.tls_context()
    if settings.kafka_security_protocol.startswith("SASL"):
        return faust.SASLCredentials(
            username=settings.kafka_sasl_username,
            password=settings.kafka_sasl_password.get_secret_value(),
            mechanism=settings.kafka_sasl_mechanism,
            ssl_context=context,
        )
    return faust.SSLCredentials(context) if context else None
