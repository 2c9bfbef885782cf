"""What must be right before a service starts; what is merely away is waited for."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import asyncpg
from mode import Service

from chassis import kafka, migrations
from chassis.errors import ConfigurationError
from chassis.migrations import Schema
from chassis.postgres import transient_errors
from chassis.settings import ServiceSettings, variables
from chassis.telemetry import log
from contracts.topics import TOPICS, Topic

_DELAY_S_FIRST, _DELAY_S_MAX = 0.2, 5.0
#: What does not change is logged again this often.
_REPEAT_S = 60.0
_CONNECT_S = 10.0
_AWAY: tuple[type[BaseException], ...] = (
    asyncpg.PostgresError,
    kafka.KafkaError,
    *transient_errors(),
)


@dataclass(frozen=True, slots=True)
class Away:
    """What is waited for: `database` or `kafka`, why, and whether it is there but refuses us."""

    part: str
    reason: str
    refused: bool = False


async def wait_until_right(
    settings: ServiceSettings,
    schema: Schema,
    topics: Sequence[Topic],
    service: Service,
    tell: Callable[[Away | None], None],
) -> None:
    """Wait for database and broker, and look at the schema, at `topics` and at those written to.

    `tell` hears what is waited for; returns early when `service` is stopped. Wrong credentials are
    waited for as well: they may be in the middle of a rotation. Raises ConfigurationError when
    something is there, but not as this version needs it.
    """
    written = [topic for topic in TOPICS if topic.writer == schema.name]
    needed = tuple({*topics, *written})
    delay_s, logged = _DELAY_S_FIRST, _Logged()
    with _quiet_client():
        while not service.should_stop:
            away = await _database(settings, schema) or await _kafka(settings, needed)
            tell(away)
            if away is None:
                return
            logged.say(away)
            await service.sleep(delay_s)
            delay_s = min(delay_s * 2, _DELAY_S_MAX)


async def _database(settings: ServiceSettings, schema: Schema) -> Away | None:
    """Raises ConfigurationError when the address cannot be used or the schema is another."""
    dsn = settings.database_url.get_secret_value()
    server = f"PostgreSQL at {urlsplit(dsn).netloc.rpartition('@')[2]}"
    try:
        connection = await asyncpg.connect(dsn, timeout=_CONNECT_S)
        try:
            await migrations.verify(connection, schema)
        finally:
            await connection.close(timeout=_CONNECT_S)
    except ValueError as error:
        # asyncpg's own error for an address or certificate that it cannot use is one, too.
        names = " or ".join(variables(type(settings), "database_url"))
        raise ConfigurationError(f"{names}: {error}.") from None
    except asyncpg.InvalidAuthorizationSpecificationError as error:
        return Away("database", f"{server} refuses the login: {error}", refused=True)
    except asyncpg.InvalidCatalogNameError as error:
        return Away("database", f"{server}: {error}", refused=True)
    except _AWAY as error:
        return Away("database", f"{server} does not answer: {_words(error)}")
    return None


async def _kafka(settings: ServiceSettings, topics: tuple[Topic, ...]) -> Away | None:
    """Raises ConfigurationError when a topic is missing or other than the table says."""
    broker = f"Kafka at {settings.kafka_bootstrap_servers}"
    try:
        await kafka.reach(settings)
        await kafka.verify_topics(settings, topics)
    except _AWAY as error:
        if kafka.refuses_login(error):
            user = settings.kafka_sasl_username
            return Away(
                "kafka", f"{broker} refuses the login of {user}: {_words(error)}", refused=True
            )
        return Away("kafka", f"{broker} does not answer: {_words(error)}")
    return None


def _words(error: BaseException) -> str:
    text = " ".join(str(error).split())[:200]
    return text if text else type(error).__name__


class _Logged:
    """One line when the reason changes, and now and then while it does not."""

    def __init__(self) -> None:
        self._last: Away | None = None
        self._at = 0.0

    def say(self, away: Away) -> None:
        now = time.monotonic()
        if away == self._last and now - self._at < _REPEAT_S:
            return
        self._last, self._at = away, now
        write = log.error if away.refused else log.warning
        write("waiting to start", part=away.part, reason=away.reason)


@contextmanager
def _quiet_client() -> Iterator[None]:
    """Kafka's client logs every attempt that fails; we say it once."""
    logger = logging.getLogger("aiokafka")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)
