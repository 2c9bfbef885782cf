"""What operators decided, for whoever has to answer for it: topic `ops.audit`."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from contracts.base import Data
from contracts.values import Ref, Text

#: The code of a dead letter, such as key_mismatch.
ProblemCode = Annotated[str, StringConstraints(max_length=64, pattern=r"^[a-z][a-z0-9_]*$")]


class DeadLetterDecided(Data):
    """An operator sends a dead letter back or gives it up: who, why, and which one."""

    TYPE: ClassVar[str] = "ops.dead-letter-decided.v1"
    action: Literal["redrive", "discard"]
    edited: Annotated[bool, Field(description="Another content was sent than the letter's.")]
    who: Text
    why: Text | None = None
    consumer: Annotated[Ref, Field(description="The service that could not process it.")]
    topic: Annotated[Ref, Field(description="Where the message was, with partition and offset.")]
    partition: Annotated[int, Field(ge=0)]
    offset: Annotated[int, Field(ge=0)]
    message_id: Ref | None = None
    code: ProblemCode
    attempts: Annotated[int, Field(ge=1, description="How often it was refused before.")]


DECISIONS: tuple[type[Data], ...] = (DeadLetterDecided,)
