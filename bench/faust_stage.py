"""The floor's first stage as a Faust agent with one transaction per message, for comparison.

Settings as Faust needs them to lose nothing: raw bytes, one message at a time, the agent never
raises. `python -m bench.faust_stage worker --without-web -l warn` runs until SIGTERM.
"""

import asyncio
import os
from typing import Any

import faust

from bench import floor_rows
from bench.floor import FloorSettings, apply, relay
from bench.floor_stages import BILLING
from chassis.settings import load_settings

_settings = load_settings(FloorSettings)
_TOPIC = "payments.events"
app = faust.App(
    f"{_settings.kafka_group_prefix}tenure.billing",
    broker=f"kafka://{_settings.kafka_bootstrap_servers}",
    datadir=os.environ.get("FAUST_DATADIR", "."),
    store="memory://",
    key_serializer="raw",
    value_serializer="raw",
    topic_allow_declare=False,
    topic_disable_leader=True,
    table_standby_replicas=0,
    consumer_auto_offset_reset="earliest",
    broker_commit_interval=1.0,
    broker_max_poll_interval=10**6,
    broker_session_timeout=45,
    broker_request_timeout=90,
    stream_wait_empty=True,
    web_enabled=False,
)
_wake = asyncio.Event()
_payments = app.topic(_settings.kafka_topic_prefix + _TOPIC, key_type=bytes, value_type=bytes)


@app.task()  # type: ignore[untyped-decorator]
async def _publish() -> None:
    await relay(BILLING, _settings, _wake)


@app.agent(_payments, concurrency=1)
async def _bill(stream: Any) -> None:
    connection = await _settings.connect(BILLING.name)
    async for event in stream.events():
        try:
            await apply(connection, BILLING, floor_rows.decoded(_TOPIC, [event.message]))
        except BaseException:
            # To raise would acknowledge the message; a dead process does not.
            os._exit(70)
        _wake.set()


if __name__ == "__main__":
    app.main()
