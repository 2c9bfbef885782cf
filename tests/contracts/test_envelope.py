"""What decode lets in: hostile bytes, types, money, time and text, each with its code (reliability H1-H60)."""

import gzip
import json
import pickle
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from contracts.catalogue import ENVELOPES, InvalidMessage, decode
from contracts.envelope import Envelope, effect_id
from contracts.payments import PaymentSucceeded
from contracts.values import TENURE, Instant, Interval, Money, Plan
from tests.contracts.published import EXAMPLE_FILES, code, edited, example, without

PAID = "payments.payment-succeeded.v1"
PLACED = "payments.order-placed.v1"
RAW = json.dumps(example(PAID)).encode()
MONEY = ("data", "amount", "minor")
CURRENCY = ("data", "amount", "currency")


def raw(old: bytes, new: bytes) -> bytes:
    assert RAW.count(old) == 1
    return RAW.replace(old, new)


def typed(type_: bytes) -> bytes:
    """The payment under another type."""
    return raw(b'"type": "payments.payment-succeeded.v1"', b'"type": "' + type_ + b'"')


def inside(extra: bytes) -> bytes:
    """The payment with one more field."""
    return RAW[:-1] + b", " + extra + b"}"


def refusal(message: Any) -> InvalidMessage:
    with pytest.raises(InvalidMessage) as refused:
        decode(message if isinstance(message, bytes) else json.dumps(message).encode())
    return refused.value


BYTES = {
    "H1 empty": (b"", "not_json"),
    "H2 null": (b"null", "not_an_envelope"),
    "H3 cut off": (b"{", "not_json"),
    "H3 truncated": (RAW[:-1], "not_json"),
    "H4 trailing bytes": (RAW + b"{}", "not_json"),
    "H5 byte order mark": (b"\xef\xbb\xbf" + RAW, "not_json"),
    "H6 UTF-16": (RAW.decode().encode("utf-16"), "not_json"),
    "H7 run of 0xFF": (b"\xff" * 1000, "not_json"),
    "H7 one byte that is no UTF-8": (raw(b"R-1001", b"R-\xff"), "not_json"),
    "H8 lone surrogate": (raw(b"R-1001", b"R-\\ud800"), "not_json"),
    "H9 NUL in a text": (raw(b"R-1001", b"R-\\u0000"), "invalid_field"),
    "H10 ten MiB": (raw(b"R-1001", b"R" * 10 * 1024 * 1024), "invalid_field"),
    "H11 depth 2,000": (b"[" * 2000 + b"]" * 2000, "not_json"),
    "H11 depth 2,000 in an unknown field": (
        inside(b'"x":' + b"[" * 2000 + b"]" * 2000),
        "not_json",
    ),
    "H14 gzip": (gzip.compress(RAW), "not_json"),
    "H15 pickle": (pickle.dumps(example(PAID)), "not_json"),
    "H15 YAML": (b"type: payments.payment-succeeded.v1\n", "not_json"),
    "H15 XML with DTD": (b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "not_json"),
    "H16 schema registry framing": (b"\x00\x00\x00\x00\x01" + RAW, "not_json"),
    "a list": (b"[" + RAW + b"]", "not_an_envelope"),
    "a number": (b"1", "not_an_envelope"),
    "a text": (b'"x"', "not_an_envelope"),
    "no type": (b"{}", "not_an_envelope"),
    "H61 unknown type": (typed(b"payments.payment-imagined.v1"), "unknown_type"),
    "H62 unknown major": (typed(b"payments.payment-succeeded.v99"), "unknown_type"),
}


@pytest.mark.parametrize(("value", "expected"), BYTES.values(), ids=BYTES)
def test_hostile_bytes_are_refused(value: bytes, expected: str) -> None:
    assert refusal(value).code == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (b"true", "invalid_field"),
        (b'"12"', "invalid_field"),
        (b"1.0", "invalid_field"),
        (b"1e2", "invalid_field"),
        (b"1e400", "invalid_field"),
        (b"NaN", "invalid_field"),
        (b"-Infinity", "invalid_field"),
        (b"1" + b"0" * 400, "invalid_field"),
        (b"-1", "invalid_field"),
        (b"9223372036854775808", "invalid_field"),
        (b"1000000000000001", "invalid_field"),
        (b"01", "not_json"),
        (b"0", "ok"),  # a free order
        (b"1000000000000000", "ok"),
    ],
)
def test_money_is_a_whole_number_within_bounds(number: bytes, expected: str) -> None:
    """H21-H29."""
    assert code(raw(b"1499", number)) == expected


@pytest.mark.parametrize("path", [("data", "plan", "seats"), ("sequence",)])
def test_counts_begin_with_1(path: tuple[str, ...]) -> None:
    assert refusal(edited(example(PLACED), path, 0)).code == "invalid_field"


@pytest.mark.parametrize("currency", ["eur", "XXX", "XTS", "XAU", "EU\u0420", "DEM", "", "EURO"])
def test_a_currency_is_one_that_people_pay_in(currency: str) -> None:
    """H30."""
    refused = refusal(edited(example(PAID), CURRENCY, currency))
    assert refused.code == "invalid_field"
    assert refused.sentence.startswith("Field 'data.amount.currency': ")


@pytest.mark.parametrize("currency", ["EUR", "JPY", "KWD"])
def test_minor_units_have_no_decimals_whatever_the_currency(currency: str) -> None:
    """H31."""
    message = edited(example(PAID), CURRENCY, currency)
    assert code(message) == "ok"
    assert code(edited(message, MONEY, 10.5)) == "invalid_field"


@pytest.mark.parametrize(
    "time",
    [
        "2025-01-10T09:00:07",  # H35
        "2025-01-10T09:00:60Z",  # H36
        "0001-01-01T00:00:00+14:00",  # H37
        "2000-01-01T00:00:00+14:00",  # would be 1999 in UTC, which no reader takes
        "2199-12-31T23:00:00-14:00",
        "9999-12-31T23:59:59-14:00",
        1741600000000,  # H38
        "1741600000000",
        "1741600000",
        "2025-02-29T00:00:00Z",  # H39
        "2025-01-10T24:00:00Z",
        "2025-01-10",
        "2025-01-10 09:00:07Z",
        "2025-W02-5T09:00:07Z",
        "2025-01-10T09:00:07+0100",
        "2025-01-10T09:00:07Z\n",
        "\u0662025-01-10T09:00:07Z",
        "now",
        "",
        None,
    ],
)
def test_a_time_is_an_instant_as_rfc_3339_writes_it(time: Any) -> None:
    assert refusal(edited(example(PAID), ("time",), time)).code == "invalid_field"


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2025-03-30T02:30:00+01:00", "2025-03-30T01:30:00Z"),  # H40: an offset is never in a gap
        ("2035-01-10T09:00:07Z", "2035-01-10T09:00:07Z"),  # H41: judged by the services, not here
        ("2025-01-10T09:00:07.5-00:30", "2025-01-10T09:30:07.500000Z"),
        ("2025-01-10T09:00:07.123456789Z", "2025-01-10T09:00:07.123456Z"),
    ],
)
def test_a_time_is_kept_in_utc(text: str, instant: str) -> None:
    message = decode(json.dumps(edited(example(PAID), ("time",), text)).encode())
    assert message.time.tzinfo is UTC
    assert json.loads(message.to_json())["time"] == instant


@pytest.mark.parametrize("end", ["2025-01-10T09:00:07Z", "2025-01-09T09:00:07Z"])
def test_a_period_ends_after_it_starts(end: str) -> None:
    """H42, H43."""
    period = {"start": "2025-01-10T09:00:07Z", "end": end}
    refused = refusal(edited(example(PAID), ("data", "period"), period))
    assert (refused.code, "end must lie after start" in refused.sentence) == ("invalid_field", True)


NAMES = {
    "H44 line break": "Ann\r\nBcc: x@example.com",
    "H46 line separator": "Ann\u2028Lee",
    "H46 next line": "Ann\x85Lee",
    "H46 file separator": "Ann\x1cLee",
    "H47 right to left override": "Ann \u202eeeL",
    "bidirectional isolate": "Ann \u2066Lee",
    "H57 long": "x" * 100_000,
    "H59 terminal escape": "\x1b[2JAnn",
    "H60 forged log line": 'Ann\n{"level":"info"}',
    "empty": "",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_name_is_one_line_of_text(name: str) -> None:
    assert (
        refusal(edited(example(PLACED), ("data", "customer", "name"), name)).code == "invalid_field"
    )


@pytest.mark.parametrize(
    "name", ["Åsa Ödegård", "Мария", "李安", "محمد", "O'Neil-Lee, Jr.", "क्षमा"]
)
def test_names_of_the_world_are_names(name: str) -> None:
    message = decode(
        json.dumps(edited(example(PLACED), ("data", "customer", "name"), name)).encode()
    )
    assert json.loads(message.to_json())["data"]["customer"]["name"] == name


@pytest.mark.parametrize(
    "email",
    [
        "a@example.com>,<e@example.com",  # H50
        "a@example.com, b@example.com",  # H51
        '"a\r\nBcc: b"@example.com',  # H52
        "=?utf-8?q?a?=@example.com",
        "a b@example.com",
        "a@b@example.com",
        "a@exämple.com",
        "example.com",
        "a@" + "x" * 300,
    ],
)
def test_an_address_is_one_plain_address(email: str) -> None:
    message = edited(example(PLACED), ("data", "customer", "email"), email)
    assert refusal(message).code == "invalid_field"


def test_the_sentence_names_the_field_and_repeats_nothing_of_the_value() -> None:
    secret = "4111 1111\n1111 1111"
    refused = refusal(edited(example(PLACED), ("data", "customer", "name"), secret))
    assert refused.sentence.startswith("Field 'data.customer.name': ")
    assert "4111" not in refused.sentence
    assert len(refused.sentence) <= 300


def test_an_unknown_type_is_named_without_what_a_terminal_would_act_on() -> None:
    refused = refusal({"type": "\x1b[2Jevil" + "x" * 1000})
    assert refused.code == "unknown_type"
    assert refused.sentence.startswith("The type '?[2Jevilx")
    assert refused.type is not None
    assert len(refused.type) == 100
    assert refusal(typed(b"payments.payment-succeeded.v2")).type == "payments.payment-succeeded.v2"


@pytest.mark.parametrize(
    "field", ["specversion", "id", "source", "subject", "time", "providerid", "data"]
)
def test_an_envelope_is_complete(field: str) -> None:
    refused = refusal(without(example(PAID), (field,)))
    assert refused.code == "invalid_field"
    assert refused.sentence == f"Field '{field}': Field required."


@pytest.mark.parametrize("path", [(), ("data",), ("data", "amount")])
def test_unknown_fields_of_a_newer_writer_are_read_and_never_written(path: tuple[str, ...]) -> None:
    """H12 (many keys), H63 (newer minor)."""
    many = {f"k{number}": number for number in range(100_000)}
    message = decode(json.dumps(edited(example(PAID), (*path, "of_tomorrow"), many)).encode())
    assert json.loads(message.to_json()) == example(PAID)


def test_an_optional_field_may_be_null_and_is_then_not_written() -> None:
    message = decode(json.dumps(edited(example(PAID), ("traceparent",), None)).encode())
    assert json.loads(message.to_json()) == example(PAID)


def test_a_message_cannot_be_changed() -> None:
    message = decode(RAW)
    with pytest.raises(ValidationError):
        message.subject = "R-2"  # type: ignore[misc]


def test_what_we_build_is_checked_as_strictly_as_what_we_read() -> None:
    fields = {name: getattr(decode(RAW), name) for name in Envelope.model_fields}
    assert ENVELOPES[PAID](**fields) == decode(RAW)
    for wrong in (
        {"time": "2025-01-10T09:00:07Z"},
        {"time": datetime(2025, 1, 10)},  # noqa: DTZ001
        {"sequence": "1"},
    ):
        with pytest.raises(ValidationError):
            ENVELOPES[PAID](**{**fields, **wrong})


def test_the_data_decides_no_other_type() -> None:
    message = example(PAID)
    message["data"] = example("payments.cancellation-requested.v1")["data"]
    assert refusal(message).code == "invalid_field"


def test_the_cause_of_a_foreign_message_depends_on_its_source() -> None:
    message = decode(RAW)
    assert message.cause_id == uuid5(TENURE, f"{message.source}\n{message.id}")
    other = decode(raw(b"/online-store/payments", b"/another-store/payments"))
    assert other.cause_id != message.cause_id


def test_the_cause_of_our_own_message_is_its_id() -> None:
    message = decode(EXAMPLE_FILES["billing.payment-succeeded.v1"].read_bytes())
    assert message.cause_id == UUID(message.id)


def test_a_stranger_who_claims_our_source_stops_nothing() -> None:
    message = decode(raw(b"/online-store/payments", b"/tenure/billing"))
    assert message.cause_id == uuid5(TENURE, f"/tenure/billing\n{message.id}")


def test_effects_have_the_same_ids_again_and_different_ones_elsewhere() -> None:
    ids = {effect_id(TENURE, service, n) for service in ("billing", "licensing") for n in range(3)}
    assert len(ids) == 6
    assert effect_id(TENURE, "billing", 0) in ids


instants = st.datetimes(
    min_value=datetime(2000, 1, 2),  # noqa: DTZ001
    max_value=datetime(2199, 12, 30),  # noqa: DTZ001
    timezones=st.timedeltas(timedelta(hours=-23), timedelta(hours=23)).map(
        lambda offset: timezone(timedelta(minutes=offset // timedelta(minutes=1)))
    ),
)
money = st.builds(
    Money, minor=st.integers(0, 10**15), currency=st.sampled_from(["EUR", "USD", "JPY", "KWD"])
)
refs = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=128)
plans = st.builds(
    Plan,
    product_id=refs,
    product_type=st.sampled_from(["update", "update-and-protection"]),
    term=st.from_regex(r"\A(P[1-9][0-9]{0,3}[YMWD]|unlimited)\Z"),
    seats=st.integers(1, 100_000),
)
payments = st.builds(
    PaymentSucceeded,
    order_id=refs,
    kind=st.sampled_from(["initial", "renewal", "manual", "prepayment"]),
    amount=money,
    period=st.none() | st.builds(Interval, start=instants),
    charge_id=st.none() | st.uuids(),
)


@given(value=money | plans | payments)
def test_values_are_read_as_they_were_written(value: Money | Plan | PaymentSucceeded) -> None:
    assert type(value).model_validate_json(value.model_dump_json(exclude_none=True)) == value


@given(instant=instants)
def test_an_instant_is_read_as_it_was_written(instant: datetime) -> None:
    adapter: TypeAdapter[datetime] = TypeAdapter(Instant)
    read = adapter.validate_json(json.dumps(instant.isoformat()))
    assert (read, read.tzinfo) == (instant, UTC)
    assert adapter.validate_json(adapter.dump_json(read)) == read


@given(data=payments, id=refs, subject=refs, time=instants)
def test_an_envelope_is_read_as_it_was_written(
    data: PaymentSucceeded, id: str, subject: str, time: datetime
) -> None:
    message = ENVELOPES[PAID](
        specversion="1.0", id=id, source="/shop", type=PAID, subject=subject, time=time,
        providerid="online-store", data=data,
    )  # fmt: skip
    assert decode(message.to_json()) == message


@given(value=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_either_a_message_or_refused_with_a_code(value: bytes) -> None:
    assert code(value) in ("not_json", "not_an_envelope", "unknown_type", "invalid_field")


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(
    path=st.sampled_from([("type",), ("time",), ("data",), ("data", "amount"), MONEY]),
    value=anything,
)
def test_anything_in_a_field_is_read_or_refused_with_a_code(
    path: tuple[str, ...], value: Any
) -> None:
    assert code(edited(example(PAID), path, value)) in (
        "ok",
        "invalid_field",
        "unknown_type",
        "not_json",
    )
