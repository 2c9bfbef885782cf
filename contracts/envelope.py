"""The envelope: one structured CloudEvent per Kafka value, complete in a topic, a file or a dead letter."""

from contextlib import suppress
from typing import Annotated, Literal
from uuid import UUID, uuid5

from pydantic import Field, SerializeAsAny, StringConstraints

from contracts.base import Data, Frozen
from contracts.values import TENURE, Instant, Ref, Text

#: `source` of our own messages starts with this; the service name follows.
OWN_SOURCE = "/tenure/"
#: Content type of a structured CloudEvent; header `ce_type` repeats the type.
CONTENT_TYPE = "application/cloudevents+json"
#: The W3C trace context of a message: a field of the envelope and a header of the record.
TRACEPARENT = "traceparent"

EventType = Annotated[
    str, StringConstraints(max_length=100, pattern=r"^[a-z]+\.[a-z-]+\.v[1-9][0-9]*$")
]


class Envelope(Frozen):
    """What every message carries around its `data`; `contracts.catalogue` makes one subclass per type."""

    specversion: Literal["1.0"]
    id: Annotated[
        Ref, Field(description="Unique within the source; a repetition carries the same id.")
    ]
    source: Annotated[
        str,
        StringConstraints(min_length=1, max_length=200, pattern=r"^[!-~]+$"),
        Field(description="Who wrote it; ours are /tenure/<service>."),
    ]
    type: EventType
    subject: Annotated[Ref, Field(description="The Kafka key, repeated.")]
    time: Annotated[Instant, Field(description="When it happened, not when it was sent.")]
    recordedat: Annotated[
        Instant | None, Field(description="The clock of the service that wrote it.")
    ] = None
    datacontenttype: Literal["application/json"] | None = None
    dataschema: Text | None = None
    providerid: Annotated[Ref, Field(description="The provider, named as its policy pack is.")]
    correlationid: Annotated[
        Ref | None, Field(description="The id of the message that began the chain of causes.")
    ] = None
    causationid: Annotated[
        Ref | None, Field(description="The id of the message or deadline that caused it.")
    ] = None
    sequence: Annotated[
        Annotated[int, Field(ge=1)] | None,
        Field(description="Counts per topic and key without gaps, from 1; only in ours."),
    ] = None
    policyversion: Annotated[
        Ref | None, Field(description="The policy pack that decided, by its effective date.")
    ] = None
    traceparent: (
        Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{2}(-[0-9a-f]+){3}$")] | None
    ) = None
    data: SerializeAsAny[Data]

    @property
    def cause_id(self) -> UUID:
        """The id that everything caused by this message is derived from; also the fact_id it tells."""
        if self.source.startswith(OWN_SOURCE):
            # A stranger may claim our source with any id; that must not stop a service.
            with suppress(ValueError):
                return UUID(self.id)
        return uuid5(TENURE, f"{self.source}\n{self.id}")

    def to_json(self) -> bytes:
        """The Kafka value: compact JSON without the fields that are not set."""
        return self.__pydantic_serializer__.to_json(self, exclude_none=True)


def effect_id(cause_id: UUID, service: str, position: int | str) -> UUID:
    """The id of the effect number `position` of a cause: a redelivery makes the same id again."""
    return uuid5(cause_id, f"{service}:{position}")
