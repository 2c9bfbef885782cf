"""The watch's own settings, each from a variable `WATCH_...`; those of Kafka are shared."""

from typing import Literal

from pydantic import Field

from chassis.settings import KafkaSettings
from ops.watch.checks import Bounds


class WatchSettings(KafkaSettings):
    """Settings of the watch."""

    http_host: str = "127.0.0.1"
    http_port: int = Field(default=8080, ge=0, le=65535, validation_alias="WATCH_HTTP_PORT")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["json", "console"] = "json"
    #: Seconds after which paid but not entitled, or refunded but entitled, is an alert.
    entitled_within: float = Field(
        default=30, gt=0, le=86400, validation_alias="WATCH_ENTITLED_WITHIN"
    )
    #: Seconds after which a payment without its confirmation is an alert.
    confirmed_within: float = Field(
        default=120, gt=0, le=86400, validation_alias="WATCH_CONFIRMED_WITHIN"
    )
    #: Seconds for which anything else that is wrong must stand.
    settle: float = Field(default=10, gt=0, le=86400, validation_alias="WATCH_SETTLE")
    #: Seconds that a service may be behind.
    lag: float = Field(default=60, gt=0, le=86400, validation_alias="WATCH_LAG")

    @property
    def bounds(self) -> Bounds:
        """The bounds of the auditor."""
        return Bounds(
            *(int(s * 1000) for s in (self.entitled_within, self.confirmed_within, self.settle))
        )
