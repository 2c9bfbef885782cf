"""The topic table: who writes, who reads, what each topic carries and how long it is kept."""

from dataclasses import dataclass

from contracts import (
    audit,
    billing,
    commands,
    licensing,
    notifications,
    operations,
    payments,
)
from contracts.base import Data

_DAY_MS = 24 * 60 * 60 * 1000
_MIB = 1024 * 1024
SERVICES = ("billing", "licensing", "notifications")


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic as `tenure topics apply` creates and verifies it. `kept_days` None: compacted, for ever."""

    name: str
    key: str
    writer: str
    readers: tuple[str, ...]
    carries: str
    kept_days: int | None = 400
    messages: tuple[type[Data], ...] = ()
    message_bytes_max: int = _MIB
    #: Ours carry a gapless sequence per key, which readers check.
    sequenced: bool = False

    def config(self) -> dict[str, str]:
        """The topic configuration in Kafka's own words; the record time is always the broker's."""
        settings = {
            "message.timestamp.type": "LogAppendTime",
            "max.message.bytes": str(self.message_bytes_max),
        }
        if self.kept_days is None:
            return {"cleanup.policy": "compact", **settings}
        return {
            "cleanup.policy": "delete",
            "retention.ms": str(self.kept_days * _DAY_MS),
            **settings,
        }


PAYMENTS_EVENTS = Topic(
    "payments.events",
    "reference",
    "payment systems",
    ("billing",),
    "orders, payments, refunds, requests made at the provider",
    30,
    payments.FROM_UPSTREAM,
)
PAYMENTS_REQUESTS = Topic(
    "payments.requests",
    "reference",
    "billing",
    ("payment systems",),
    "charge and refund requests, each with its idempotency id",
    30,
    payments.TO_UPSTREAM,
    sequenced=True,
)
BILLING_COMMANDS = Topic(
    "billing.commands",
    "subscription_id",
    "operators",
    ("billing",),
    "commands of operators and customer pages",
    30,
    commands.COMMANDS,
)
BILLING_EVENTS = Topic(
    "billing.events",
    "subscription_id",
    "billing",
    ("licensing", "notifications", "ops"),
    "payments, paid periods, refunds, the customer's will, reminders due, refusals",
    400,
    billing.EVENTS,
    sequenced=True,
)
LICENSING_EVENTS = Topic(
    "licensing.events",
    "subscription_id",
    "licensing",
    ("notifications", "ops"),
    "changes of access",
    400,
    licensing.EVENTS,
    sequenced=True,
)
LICENSING_ENTITLEMENTS = Topic(
    "licensing.entitlements",
    "subscription_id",
    "licensing",
    ("anyone's cache",),
    "latest entitlement per subscription, with its schedule",
    None,
    licensing.ENTITLEMENTS,
)
CUSTOMERS_CONTACTS = Topic(
    "customers.contacts",
    "customer_id",
    "billing",
    ("notifications",),
    "latest contact per customer; the only topic of ours with personal data",
    None,
    billing.CONTACTS,
)
NOTIFICATIONS_EVENTS = Topic(
    "notifications.events",
    "subscription_id",
    "notifications",
    ("billing", "ops"),
    "what became of each mail, no address",
    400,
    notifications.EVENTS,
    sequenced=True,
)
OPS_ALERTS = Topic(
    "ops.alerts",
    "subscription_id",
    "ops",
    ("operators",),
    "what a person should look at",
    messages=operations.ALERTS,
)
OPS_AUDIT = Topic(
    "ops.audit",
    "dead_letter",
    "ops",
    ("auditors",),
    "what operators decided about dead letters, who and why",
    400,
    audit.DECISIONS,
)


def _dead_letters(service: str) -> Topic:
    return Topic(
        f"{service}.dlq",
        "key of the origin",
        service,
        ("ops",),
        "raw bytes that could not be processed, with origin and reason as headers",
        message_bytes_max=2 * _MIB,
    )


def _redrive(service: str) -> Topic:
    return Topic(
        f"{service}.redrive",
        "key of the origin",
        "ops",
        (service,),
        "dead letters sent back to their consumer",
        30,
        message_bytes_max=2 * _MIB,
    )


#: Dead letters and redrive, one of each per service.
DEAD_LETTERS = {service: _dead_letters(service) for service in SERVICES}
REDRIVE = {service: _redrive(service) for service in SERVICES}

TOPICS: tuple[Topic, ...] = (
    PAYMENTS_EVENTS,
    PAYMENTS_REQUESTS,
    BILLING_COMMANDS,
    BILLING_EVENTS,
    LICENSING_EVENTS,
    LICENSING_ENTITLEMENTS,
    CUSTOMERS_CONTACTS,
    NOTIFICATIONS_EVENTS,
    OPS_ALERTS,
    OPS_AUDIT,
    *DEAD_LETTERS.values(),
    *REDRIVE.values(),
)

#: Messages whose key is another than their topic's.
_OTHER_KEYS = {commands.EraseCustomer.TYPE: "customer_id"}

#: The topic that carries a message type.
TOPIC_OF: dict[str, Topic] = {message.TYPE: topic for topic in TOPICS for message in topic.messages}


def key_name(type_: str) -> str:
    """What the Kafka key of a message type is. Raises KeyError for an unknown type."""
    return _OTHER_KEYS.get(type_) or TOPIC_OF[type_].key
