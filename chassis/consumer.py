"""The consumer loop: fetch, process in one transaction, then commit the offset, never before."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import (
    CommitFailedError,
    IllegalStateError,
    InvalidSessionTimeoutError,
    KafkaError,
)
from mode import Service

from chassis import kafka
from chassis.crash_points import crash_point
from chassis.errors import ConfigurationError, DeadLetterLimit
from chassis.postgres import transient_errors
from chassis.records import Record, from_kafka
from chassis.settings import KafkaSettings
from chassis.telemetry import BATCH_SECONDS, TRANSIENT_ERRORS, log

#: First retained offset of each partition, by logical topic name.
LogStarts = dict[tuple[str, int], int]
Fetched = dict[TopicPartition, list[ConsumerRecord]]
_DELAY_S_FIRST = 0.05
_DELAY_S_MAX = 5.0
#: A short hiccup is nobody's business; after this the service says that it is not ready.
_PATIENCE_S = 2.0
_SILENCE_S = 5.0
#: Without a quiet moment, offsets are committed this often.
_COMMIT_S = 0.5


class Consumer(Service):
    """Consumes topics of one group into `sink`, which raises transient errors to be called again."""

    def __init__(
        self,
        settings: KafkaSettings,
        group: str,
        topics: Sequence[str],
        sink: Callable[[Sequence[Record]], Awaitable[None]],
        learn_starts: Callable[[LogStarts], None],
        batch_max: int,
    ) -> None:
        super().__init__()
        self._learn_starts = learn_starts
        self._batch_max = batch_max
        self._starts_known = False
        self._settings = settings
        self._group = group
        self._topics = {settings.kafka_topic_prefix + topic: topic for topic in topics}
        self._sink = sink
        self._epoch = 0
        self._revoking = False
        self._durable: dict[TopicPartition, int] = {}
        #: Something became durable since the last attempt to commit.
        self._uncommitted = False
        self._trouble: str | None = "starting"
        self.heartbeat = self._answered = self._committed_at = time.monotonic()

    @property
    def trouble(self) -> str | None:
        """Why nothing is consumed at the moment; shown by /readyz."""
        return self._trouble or self._silence()

    def _silence(self) -> str | None:
        """A broker answers a fetch within half a second, also when it has no records."""
        assigned = self._client.assignment()
        if not self._idle.is_set() or not (assigned or self._revoking):
            return None
        stamps = [self._client.last_poll_timestamp(partition) or 0 for partition in assigned]
        fetched_s = time.time() - max(stamps, default=0) / 1000
        silent_s = min(fetched_s, time.monotonic() - self._answered)
        return f"broker: no answer for {silent_s:.0f} s" if silent_s > _SILENCE_S else None

    async def on_start(self) -> None:
        """Join the group."""
        self._idle = asyncio.Event()
        self._idle.set()
        self._done = asyncio.Event()
        self._stopping = asyncio.Event()
        self._client: AIOKafkaConsumer = kafka.consumer(
            self._settings, self._group, f"tenure-{self._group}"
        )
        await self._client.start()
        self._client.subscribe(list(self._topics), listener=_Barrier(self))

    @Service.task
    async def _consume(self) -> None:
        try:
            while not self._stopping.is_set():
                await self._round()
        except InvalidSessionTimeoutError:
            raise ConfigurationError(
                f"KAFKA_SESSION_TIMEOUT_MS: Kafka does not allow {self._settings.kafka_session_timeout_ms};"
                " its bounds are group.min.session.timeout.ms and group.max.session.timeout.ms."
            ) from None
        finally:
            self._done.set()

    async def _round(self) -> None:
        # What has come already is worth more than a commit, which one for many batches does as well.
        timeout_ms = 0 if self._uncommitted and not self._revoking else 300
        fetched = await self._client.getmany(timeout_ms=timeout_ms, max_records=self._batch_max)
        # After the poll: what it returns belongs to the assignment of this instant, which may have
        # come while it waited. Taken before, the first records after a rebalance would be skipped.
        epoch = self._epoch
        self.heartbeat = time.monotonic()
        if self._client.assignment() and self._trouble == "starting":
            self._trouble = None
        if not fetched:
            if not self._revoking:
                await self.commit_durable()
            return
        self._answered = self.heartbeat
        known = await self._know_starts()
        crash_point("consumer.after_fetch")
        if self._revoking or epoch != self._epoch or not known:
            self._give_back(fetched)
            return
        self._idle.clear()
        try:
            if await self._process(fetched, epoch) and epoch == self._epoch:
                for partition, records in fetched.items():
                    self._durable[partition] = records[-1].offset + 1
                self._uncommitted = True
        finally:
            self._idle.set()
        crash_point("consumer.after_commit")
        if time.monotonic() - self._committed_at > _COMMIT_S and not self._revoking:
            await self.commit_durable()

    async def _process(self, fetched: Fetched, epoch: int) -> bool:
        """Process until durable; False when the partitions were lost meanwhile."""
        records = [
            from_kafka(record, self._topics[partition.topic])
            for partition, found in fetched.items()
            for record in found
        ]
        delay_s, since = _DELAY_S_FIRST, time.monotonic()
        while True:
            try:
                with BATCH_SECONDS.time():
                    await self._sink(records)
            except transient_errors() as error:
                TRANSIENT_ERRORS.labels("consumer").inc()
                if self._stopping.is_set():
                    return False
                if time.monotonic() - since > _PATIENCE_S:
                    self._trouble = f"database: {type(error).__name__}"
                    log.warning("batch is tried again", error=repr(error)[:200], delay_s=delay_s)
                await self._sleep(delay_s)
                if epoch != self._epoch or self._revoking:
                    return False
                delay_s = min(delay_s * 2, _DELAY_S_MAX)
            except DeadLetterLimit as error:
                await self._halt(str(error))
                return False
            else:
                self._trouble = None
                return True

    def _give_back(self, fetched: Fetched) -> None:
        """Let records be fetched again; those of a partition that is lost are another's anyway."""
        for partition, records in fetched.items():
            with suppress(IllegalStateError):
                self._client.seek(partition, records[0].offset)

    async def _sleep(self, delay_s: float) -> None:
        """Wait while staying a member of the group: poll with everything paused."""
        self._idle.set()  # no transaction runs, so a rebalance need not wait for us
        self._client.pause(*self._client.assignment())
        self._give_back(await self._client.getmany(timeout_ms=int(delay_s * 1000)))
        self._client.resume(*self._client.paused())
        self._idle.clear()
        self.heartbeat = time.monotonic()

    async def _halt(self, reason: str) -> None:
        """Consume nothing more, but stay alive and say why; a person must look."""
        log.critical("consuming has stopped: too many dead letters", reason=reason)
        while not self._stopping.is_set():
            self._trouble = f"stopped: {reason}"  # again and again: a rebalance clears it
            await self._sleep(0.5)

    async def commit_durable(self) -> None:
        """Commit what is durable in the database; a lost membership makes it harmless to fail."""
        self._uncommitted, self._committed_at = False, time.monotonic()
        owned = self._client.assignment()
        offsets = {tp: offset for tp, offset in self._durable.items() if tp in owned}
        if not offsets:
            return
        try:
            await asyncio.wait_for(self._client.commit(offsets), 5)
        except (CommitFailedError, IllegalStateError, TimeoutError, KafkaError) as error:
            log.info(
                "offsets not committed, the inbox will drop repetitions", error=str(error)[:200]
            )
            return
        for partition, offset in offsets.items():
            if self._durable.get(partition) == offset:
                del self._durable[partition]

    async def on_stop(self) -> None:
        """Finish the batch, commit, leave the group."""
        self._stopping.set()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._done.wait(), 8)
        await self.commit_durable()

    async def on_shutdown(self) -> None:
        """Close the client, which may hang or be cancelled while the broker is away."""
        with suppress(BaseException):
            await asyncio.wait_for(self._client.stop(), 3)

    # what the barrier needs

    async def revoked(self) -> None:
        """Let the running transaction end, commit it, and drop what is fetched."""
        self._revoking = True
        with suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), 30)
        await self.commit_durable()
        self._durable.clear()
        self._epoch += 1

    async def assigned(self, partitions: Sequence[TopicPartition]) -> None:
        """Work on."""
        self._revoking = self._starts_known = False
        self._trouble = None
        self._answered = time.monotonic()
        log.info("partitions assigned", count=len(partitions))

    async def _know_starts(self) -> bool:
        """Learn the first retained offsets of the partitions, to tell a gap from retention."""
        if self._starts_known:
            return True
        try:
            starts = await self._client.beginning_offsets(list(self._client.assignment()))
        except KafkaError as error:
            log.warning(
                "the broker does not tell the starts of the topics", error=repr(error)[:200]
            )
            return False
        self._learn_starts(
            {(self._topics[tp.topic], tp.partition): start for tp, start in starts.items()}
        )
        self._starts_known = True
        return True


class _Barrier(kafka.ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        await self._consumer.revoked()

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        await self._consumer.assigned(assigned)
