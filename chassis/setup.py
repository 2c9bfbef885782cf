"""What must be right before a service starts; what is merely away is waited for."""

from collections.abc import Awaitable, Callable, Sequence

import asyncpg

from chassis import kafka, migrations
from chassis.migrations import Schema
from chassis.postgres import transient_errors
from chassis.settings import ServiceSettings
from chassis.telemetry import log
from contracts.topics import TOPICS, Topic

_DELAY_S_FIRST, _DELAY_S_MAX = 0.2, 5.0


async def wait_until_right(
    settings: ServiceSettings,
    schema: Schema,
    topics: Sequence[Topic],
    sleep: Callable[[float], Awaitable[None]],
) -> None:
    """Wait for database and broker, and look at the schema, at `topics` and at those written to.

    Raises ConfigurationError when one of them is not as this version needs it.
    """
    written = [topic for topic in TOPICS if topic.writer == schema.name]
    delay_s = _DELAY_S_FIRST
    while True:
        try:
            connection = await asyncpg.connect(settings.database_url.get_secret_value())
            try:
                await migrations.verify(connection, schema)
            finally:
                await connection.close()
            await kafka.verify_topics(settings, tuple({*topics, *written}))
        except (asyncpg.InvalidPasswordError, asyncpg.InvalidCatalogNameError) as error:
            log.error("the database refuses us", error=str(error)[:200], delay_s=delay_s)
        except (asyncpg.PostgresError, kafka.KafkaError, *transient_errors()) as error:
            log.warning("waiting for database and broker", error=repr(error)[:200])
        else:
            return
        await sleep(delay_s)
        delay_s = min(delay_s * 2, _DELAY_S_MAX)
