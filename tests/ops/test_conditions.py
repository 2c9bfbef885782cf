"""`tail --where`: which records a condition lets through, and what cannot be asked."""

import json
from datetime import UTC, datetime

import pytest
from aiokafka import ConsumerRecord

from ops.conditions import fields_of, parse_conditions
from ops.errors import NotFound, OpsError, WrongUsage
from ops.tail_stream import Wanted
from tests.ops.orders import EMAIL, order, payment

AT = datetime(2025, 1, 1, 9, tzinfo=UTC)
ORDER = order("R-1", AT).encode()
PAYMENT = payment("R-1", AT).encode()


def holds(text: str, value: bytes | None, **headers: str) -> bool:
    (condition,) = parse_conditions([text])
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return condition.holds(fields_of(value, named))


@pytest.mark.parametrize(
    ("text", "of_order", "of_payment"),
    [
        ("data.order_id=O-R-1", True, True),
        ("data.order_id=O-R", False, False),
        ("data.order_id=*R-*", True, True),
        ("type=order-placed", True, False),
        ("type=payments.order-placed.v1", True, False),
        ("type!=order-placed", False, True),
        ("type=payment-*", False, True),
        ("type=payments.*", True, True),
        ("subject=R-1", True, True),
        ("providerid!=online-store", False, False),
        ("data.amount.minor=4999", True, True),
        ("data.amount.minor=499", False, False),
        ("data.auto_renew=true", True, False),
        ("data.auto_renew!=true", False, True),
        ("data.plan.term=P1?", False, False),
        ("data.plan.term=P1[Y]", False, False),
        ("correlationid=*", False, False),
        ("correlationid!=*", True, True),
    ],
)
def test_a_condition_compares_one_field(text: str, of_order: bool, of_payment: bool) -> None:
    assert (holds(text, ORDER), holds(text, PAYMENT)) == (of_order, of_payment)


def test_of_a_list_one_item_is_enough() -> None:
    value = json.dumps({"data": {"corrects": ["a", "b"], "schedule": [{"state": "grace"}]}})
    assert holds("data.corrects=b", value.encode())
    assert not holds("data.corrects!=b", value.encode())
    assert holds("data.schedule.state=grace", value.encode())
    assert not holds("data.schedule.state=active", value.encode())


@pytest.mark.parametrize("value", [None, b"not json", b"[1]", b"[" * 100_000, b"\xff", b'"text"'])
def test_what_cannot_be_read_has_headers_alone(value: bytes | None) -> None:
    assert not holds("subject=*", value)
    assert holds("subject!=R-1", value)
    assert holds("headers.dlq-code=not_*", value, dlq_code="not_json")
    assert not holds("headers.dlq-code=*", value)


def test_several_conditions_must_all_hold() -> None:
    where = parse_conditions(["type=order-placed", "subject=R-*"])
    wanted = Wanted(("payments.events",), where=where)
    assert wanted.fits(_record(ORDER))
    assert not wanted.fits(_record(PAYMENT))
    assert not wanted.fits(_record(order("S-1", AT).encode()))
    assert not wanted.fits(_record(None))


def _record(value: bytes | None) -> ConsumerRecord:
    return ConsumerRecord("payments.events", 0, 0, 0, 1, b"R-1", value, None, 0, 0, ())


@pytest.mark.parametrize("field", ["data.customer.email", "data.customer.name", "data.email"])
def test_personal_data_cannot_be_guessed_by_asking(field: str) -> None:
    for sign in ("=", "!="):
        with pytest.raises(WrongUsage, match=r"personal data.*--unmasked"):
            parse_conditions([f"{field}{sign}a*"])
    (condition,) = parse_conditions([f"{field}={EMAIL}"], unmasked=True)
    assert condition.holds(fields_of(ORDER, {})) == (field == "data.customer.email")


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("R-1001", WrongUsage, "write FIELD=VALUE or FIELD!=VALUE, such as data.order_id=R-1001"),
        ("=R-1001", WrongUsage, "write FIELD=VALUE"),
        ("data.order=R-1", NotFound, "No message has a field 'data.order'.*Did you mean"),
        ("order_id=R-1", NotFound, "No message has a field 'order_id'"),
        ("headers=x", NotFound, "No message has a field 'headers'"),
        ("data.amount=4999", WrongUsage, "'data.amount' has parts: .* data.amount.currency"),
        ("data=x", WrongUsage, "'data' has parts"),
        ("type=order-palced", NotFound, "Did you mean order-placed"),
        ("type!=orders.*", NotFound, "There is no message type 'orders.\\*'"),
    ],
)
def test_a_condition_that_can_not_be_meant(text: str, error: type[OpsError], words: str) -> None:
    with pytest.raises(error, match=words):
        parse_conditions([text])
