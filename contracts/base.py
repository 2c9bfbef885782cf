"""The two base classes of every contract: frozen, strict on read, tolerant of fields of a newer writer."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict

#: How contracts and stored states are read and written.
STRICT = ConfigDict(frozen=True, strict=True, extra="ignore", ser_json_timedelta="iso8601")


class Frozen(BaseModel):
    """An immutable value; wrong types are refused, unknown fields of a newer writer are dropped on read."""

    model_config = STRICT


class Data(Frozen):
    """The `data` of one message type; a subclass is a published contract and only ever gains optional fields."""

    TYPE: ClassVar[str]
