"""Notifications' own settings; the shared ones are in chassis/settings.py."""

import re
from datetime import timedelta

from pydantic import Field, SecretStr, field_validator

from chassis.settings import ServiceSettings, database_of
from services.notifications.courier import MailServer
from services.notifications.mime import safe_address

_DOMAIN = re.compile(r"[A-Za-z0-9.-]{1,255}")


class NotificationsSettings(ServiceSettings):
    """Settings of the notifications service."""

    database_url: SecretStr = Field(validation_alias=database_of("notifications"))
    http_port: int = Field(default=8083, ge=0, le=65535, validation_alias="NOTIFICATIONS_HTTP_PORT")
    #: A burst of mail does not keep entitlements waiting: nobody waits for a mail as for access.
    niceness: int = Field(default=10, ge=0, le=19, validation_alias="NOTIFICATIONS_NICENESS")

    #: smtp://, submission:// (STARTTLS) or smtps://, with user:password@ where needed.
    smtp_url: SecretStr = Field(
        default=SecretStr("smtp://127.0.0.1:11025"), validation_alias="SMTP_URL"
    )
    #: The address that mail comes from; answers and bounces go there.
    mail_from: str = Field(
        default="no-reply@tenure.example", validation_alias="NOTIFICATIONS_MAIL_FROM"
    )
    #: What Message-IDs end in.
    mail_domain: str = Field(
        default="tenure.example",
        validation_alias="NOTIFICATIONS_MAIL_DOMAIN",
    )
    smtp_connections: int = Field(
        default=4, ge=1, le=64, validation_alias="NOTIFICATIONS_SMTP_CONNECTIONS"
    )
    #: Mails between two commits; after a crash so many per connection have an unknown end.
    mail_batch: int = Field(default=50, ge=1, le=1000, validation_alias="NOTIFICATIONS_MAIL_BATCH")
    #: Seconds to wait for any reply but the last one.
    smtp_timeout_s: float = Field(default=60, gt=0, validation_alias="NOTIFICATIONS_SMTP_TIMEOUT")
    #: Seconds to wait for the reply to a whole mail (RFC 5321, 4.5.3.2.6: 10 minutes).
    smtp_reply_timeout_s: float = Field(
        default=600, gt=0, validation_alias="NOTIFICATIONS_SMTP_REPLY_TIMEOUT"
    )
    #: Seconds after which the started mails of a worker that is gone are taken over.
    mail_lease_s: float = Field(default=30, ge=1, validation_alias="NOTIFICATIONS_MAIL_LEASE")

    @field_validator("smtp_url")
    @classmethod
    def _readable(cls, url: SecretStr) -> SecretStr:
        MailServer.at(url.get_secret_value())
        return url

    @field_validator("mail_from")
    @classmethod
    def _plain(cls, address: str) -> str:
        return safe_address(address)

    @field_validator("mail_domain")
    @classmethod
    def _domain(cls, domain: str) -> str:
        if not _DOMAIN.fullmatch(domain):
            raise ValueError("It must be a domain name, such as example.com")
        return domain

    @property
    def mail_server(self) -> MailServer:
        """Where mail is handed in."""
        return MailServer.at(self.smtp_url.get_secret_value())

    @property
    def mail_lease(self) -> timedelta:
        """How long a claim on started mails holds; it is extended while the worker lives."""
        return timedelta(seconds=self.mail_lease_s)
