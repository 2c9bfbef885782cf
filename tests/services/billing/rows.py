"""Bad input and the dead letter that each becomes."""

from datetime import UTC, datetime, timedelta

from contracts import commands
from contracts.catalogue import ENVELOPES
from contracts.topics import BILLING_COMMANDS
from contracts.values import subscription_id
from devstack.behaviour import instant
from tests.services.billing.heap import TAG, Bad, data, envelope
from tests.support import upstream

#: A message may have so many bytes.
LIMIT = 64 * 1024
_AT = datetime(2025, 1, 1, tzinfo=UTC)


def _padded(length: int) -> bytes:
    """A valid order of exactly so many bytes, by a field that we do not know."""
    reference = f"bad-too-large-{TAG}"
    message = upstream.message(reference, "order-placed", _AT, upstream.order(reference, "O-1"))
    message["data"]["later"] = ""
    message["data"]["later"] = "x" * (length - len(upstream.raw(message)))
    return upstream.raw(message)


def _command(name: str, subject: str | None = None) -> bytes:
    """A command as another program sends it."""
    id = str(subscription_id("online-store", f"bad-{name}-{TAG}"))
    message = ENVELOPES["billing.cancel.v1"](
        specversion="1.0",
        id=f"command-{name}-{TAG}",
        source="/shop/account",
        type="billing.cancel.v1",
        subject=subject or id,
        time=_AT,
        providerid="online-store",
        data=commands.Cancel(channel="support"),
    )
    return message.to_json()


def _money(**changes: object) -> dict[str, object]:
    return {**upstream.PRICE, **changes}


#: Not JSON, or not a message.
UNREADABLE = [
    Bad("no-json", "not_json", "not valid JSON", value=b'{"specversion": "1.0", '),
    Bad("no-utf8", "not_json", "not valid JSON", value=b"\xff\xfe\x00\x01"),
    Bad("empty", "not_json", "not valid JSON", value=b""),
    Bad(
        "twice",
        "not_json",
        "twice",
        spoil=lambda raw: raw.replace(b'"seats":', b'"seats":1,"seats":'),
    ),
    Bad(
        "many-digits",
        "not_json",
        "not valid JSON",
        spoil=lambda raw: raw.replace(b'"seats":', b'"later":' + b"1" * 5000 + b',"seats":'),
    ),
    Bad("list", "not_an_envelope", "no CloudEvents envelope", value=b"[1, 2, 3]"),
    Bad("number", "not_an_envelope", "no CloudEvents envelope", value=b"42"),
    Bad("object", "not_an_envelope", "field 'type' is missing", value=b'{"hello": "world"}'),
    Bad("no-value", "no_value", "has no value", no_value=True),
    Bad("no-key", "no_key", "has no key", no_key=True),
    Bad("nul", "invalid_field", "NUL", change=data(later="a\x00b")),
]
UNKNOWN = [
    Bad(
        "unknown-type",
        "unknown_type",
        "payments.order-lost.v1",
        change=envelope(type="payments.order-lost.v1"),
    ),
    Bad(
        "newer-type",
        "unknown_type",
        "payments.order-placed.v2",
        change=envelope(type="payments.order-placed.v2"),
    ),
    Bad("unknown-provider", "unknown_provider", "'nobody'", change=envelope(providerid="nobody")),
]
FIELDS = [
    Bad("no-order", "invalid_field", "Field 'data.order_id'", change=data(order_id=None)),
    Bad("no-provider", "invalid_field", "Field 'providerid'", change=envelope(providerid=None)),
    Bad("no-id", "invalid_field", "Field 'id'", change=envelope(id=None)),
    Bad("no-data", "invalid_field", "Field 'data'", change=envelope(data=None)),
    Bad("old-spec", "invalid_field", "Field 'specversion'", change=envelope(specversion="0.3")),
    Bad("text-flag", "invalid_field", "Field 'data.auto_renew'", change=data(auto_renew="yes")),
    Bad(
        "text-money",
        "invalid_field",
        "Field 'data.amount.minor'",
        change=data(amount=_money(minor="4999")),
    ),
    Bad(
        "float-money",
        "invalid_field",
        "Field 'data.amount.minor'",
        change=data(amount=_money(minor=49.99)),
    ),
    Bad(
        "negative",
        "invalid_field",
        "Field 'data.amount.minor'",
        change=data(amount=_money(minor=-1)),
    ),
    Bad(
        "currency",
        "invalid_field",
        "Field 'data.amount.currency'",
        change=data(amount=_money(currency="XYZ")),
    ),
    Bad(
        "time-zone",
        "unknown_time_zone",
        "Europe/Atlantis",
        change=data(billing_tz="Europe/Atlantis"),
    ),
]
TIMES = [
    Bad("naive", "invalid_field", "Field 'time'", change=envelope(time="2025-01-01T10:00:00")),
    Bad("day-only", "invalid_field", "Field 'time'", change=envelope(time="2025-01-01")),
    Bad("seconds", "invalid_field", "Field 'time'", change=envelope(time=1735725600)),
    Bad("feb-30", "invalid_field", "Field 'time'", change=envelope(time="2025-02-30T10:00:00Z")),
    Bad("past", "invalid_field", "Field 'time'", change=envelope(time="1999-12-31T23:59:59Z")),
    Bad("beyond", "invalid_field", "Field 'time'", change=envelope(time="2200-01-01T00:00:00Z")),
    Bad(
        "far-future",
        "time_in_future",
        "ahead of our clock",
        change=envelope(time=lambda now: instant(now + timedelta(days=2))),
    ),
]
PLACES = [
    Bad("our-source", "invalid_field", "is ours", change=envelope(source="/tenure/shop")),
    Bad("nul-key", "key_mismatch", "key differs", key=b"a\x00b"),
    Bad("binary-key", "key_mismatch", "key differs", key=b"\xff\xfe"),
    Bad("other-key", "key_mismatch", "key differs", key=b"another-reference"),
    Bad("too-large", "too_large", f"{LIMIT + 1} bytes", value=_padded(LIMIT + 1)),
    Bad("mebibyte", "too_large", "65536 are allowed", value=_padded(1024 * 1024 - 2000)),
    Bad("wrong-topic", "wrong_topic", "billing.commands", value=_command("wrong-topic")),
]
COMMANDS = [
    Bad("command-json", "not_json", topic=BILLING_COMMANDS, value=b"{"),
    Bad(
        "command-key",
        "key_mismatch",
        topic=BILLING_COMMANDS,
        key=b"R-1001",
        value=_command("command-key"),
    ),
    Bad(
        "command-reference",
        "invalid_subject",
        "no subscription id",
        topic=BILLING_COMMANDS,
        key=b"R-1001",
        value=_command("command-reference", "R-1001"),
    ),
]
BAD = [*UNREADABLE, *UNKNOWN, *FIELDS, *TIMES, *PLACES, *COMMANDS]
