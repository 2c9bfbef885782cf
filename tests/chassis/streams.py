"""Topics, groups and a database of one test for the made-up service."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiokafka import ConsumerRecord, TopicPartition
from pydantic import Field, SecretStr

from chassis import kafka
from chassis.settings import KafkaSettings, ServiceSettings, database_of
from contracts.envelope import Envelope
from contracts.topics import (
    BILLING_COMMANDS,
    BILLING_EVENTS,
    CUSTOMERS_CONTACTS,
    DEAD_LETTERS,
    NOTIFICATIONS_EVENTS,
    PAYMENTS_REQUESTS,
    REDRIVE,
    Topic,
)

#: What the made-up service reads and, being called billing, writes.
TOPICS = (
    BILLING_COMMANDS,
    BILLING_EVENTS,
    CUSTOMERS_CONTACTS,
    NOTIFICATIONS_EVENTS,
    PAYMENTS_REQUESTS,
    DEAD_LETTERS["billing"],
    REDRIVE["billing"],
)


class TallySettings(ServiceSettings):
    """Settings of the made-up service."""

    database_url: SecretStr = Field(validation_alias=database_of("billing"))
    http_port: int = Field(default=0, ge=0, le=65535, validation_alias="BILLING_HTTP_PORT")


@dataclass(frozen=True)
class Streams:
    """The topics of one test; `variables` are those of its service."""

    variables: Mapping[str, str]
    kafka: KafkaSettings

    def topic(self, topic: Topic) -> str:
        """The name of a topic in Kafka."""
        return self.kafka.kafka_topic_prefix + topic.name

    def settings(self, **changes: object) -> TallySettings:
        """Settings as the service would read them."""
        given: dict[str, object] = {
            name.lower() if name.startswith(("KAFKA", "CLOCK")) else name: value
            for name, value in self.variables.items()
        }
        return TallySettings.model_validate({**given, **changes})

    async def publish(self, topic: Topic, records: Sequence[tuple[str, bytes]]) -> None:
        """Write records of (key, value), in order, and wait for the broker."""
        async with kafka.producer(self.kafka, "tests") as producer:
            sent = [
                await producer.send(self.topic(topic), value, key.encode())
                for key, value in records
            ]
            await asyncio.gather(*sent)

    async def send(self, topic: Topic, *messages: Envelope) -> None:
        """Write messages under their subjects."""
        await self.publish(topic, [(m.subject, m.to_json()) for m in messages])

    async def records(self, topic: Topic) -> list[ConsumerRecord]:
        """Everything on a topic so far."""
        reader = kafka.reader(self.kafka)
        await reader.start()
        try:
            await reader.topics()
            name = self.topic(topic)
            partitions = [
                TopicPartition(name, number) for number in reader.partitions_for_topic(name) or ()
            ]
            reader.assign(partitions)
            ends = await reader.end_offsets(partitions)
            found: list[ConsumerRecord] = []
            while len(found) < sum(ends.values()):
                for batch in (await reader.getmany(timeout_ms=200)).values():
                    found.extend(batch)
            return found
        finally:
            await reader.stop()

    async def committed(self, group: str, topic: Topic) -> int:
        """How many records of a topic a group has committed."""
        client = kafka.admin(self.kafka)
        await client.start()
        try:
            found = await client.list_consumer_group_offsets(self.kafka.kafka_group_prefix + group)
        finally:
            await client.close()
        name = self.topic(topic)
        return sum(e.offset for tp, e in found.items() if tp.topic == name and e.offset > 0)
