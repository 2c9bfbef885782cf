"""The renderers with fixed data: timeline, status, tail lines, dead letters, cases."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from aiokafka import ConsumerRecord
from rich.console import Console, RenderableType

from contracts.catalogue import ENVELOPES
from contracts.envelope import Envelope
from contracts.values import Money, Plan, period_id, subscription_id
from ledger.history import History, PaidPeriod, Will
from ops.connection import Stack
from ops.dead_letters import DeadLetter, Origin, from_record, pick
from ops.dlq.content import pretty
from ops.dlq.redriving import Decision, headers
from ops.dlq.view import table as dead_letter_table
from ops.doctor import Finding
from ops.doctor import table as findings_table
from ops.errors import NotFound
from ops.refunds import table as case_table
from ops.standing import Standing, standing
from ops.status import Service, Status
from ops.status_view import render
from ops.subscriptions import Known
from ops.tail_lines import as_json, line
from ops.timeline import Entry, business_time, entries, lane_of
from ops.timeline_view import header, table
from ops.work import Item, Work
from policies import load_policies
from tests.ops.orders import EMAIL, NAME, order, payment

AT = datetime(2025, 1, 1, 9, tzinfo=UTC)
YEAR = datetime(2026, 1, 1, 9, tzinfo=UTC)
ID = subscription_id("online-store", "R-1")
KNOWN = Known(ID, "online-store", "R-1")
FACT = UUID(int=1)
PRICE = Money(minor=4999, currency="EUR")


def shown(what: RenderableType) -> str:
    console = Console(width=200, highlight=False, force_terminal=False)
    with console.capture() as captured:
        console.print(what)
    return captured.get()


def record(
    value: str | bytes | None, topic: str, key: str = "R-1", **headers: str
) -> ConsumerRecord:
    raw = value.encode() if isinstance(value, str) else value
    return ConsumerRecord(
        topic=topic,
        partition=1,
        offset=7,
        timestamp=int(AT.timestamp() * 1000),
        timestamp_type=1,
        key=key.encode(),
        value=raw,
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=0,
        headers=tuple((name.replace("_", "-"), text.encode()) for name, text in headers.items()),
    )


def told(type: str, at: datetime, **data: object) -> Envelope:
    return ENVELOPES[type].model_validate_json(
        json.dumps(
            {
                "specversion": "1.0",
                "id": str(FACT),
                "source": "/tenure/billing",
                "type": type,
                "subject": str(ID),
                "time": at.isoformat(),
                "providerid": "online-store",
                "data": {"fact_id": str(FACT), "effective_at": at.isoformat(), **data},
            }
        )
    )


def paid_for_a_year() -> History:
    period = PaidPeriod(
        fact_id=FACT,
        period_id=period_id(ID, "O-1"),
        order_id="O-1",
        kind="initial",
        ordinal=1,
        amount=PRICE,
        plan=Plan(
            product_id="antivirus", product_type="update-and-protection", term="P1Y", seats=1
        ),
        ordered_at=AT,
        paid_at=AT,
        start=AT,
        end=YEAR,
        basis="from_now",
        policy_version="2020-01-01",
        anchor=AT,
        step=1,
    )
    will = Will(fact_id=FACT, at=AT, auto_renew=True, reason="ordered")
    return History(periods=(period,), wills=(will,))


def standing_at(now: datetime) -> Standing:
    return standing(KNOWN, paid_for_a_year(), load_policies(), now)


def test_the_header_follows_the_clock() -> None:
    words = shown(header(standing_at(AT + timedelta(days=1))))
    assert "online-store/R-1" in words
    assert "active since 2025-01-01 09:00" in words
    assert "paid through 2026-01-01 09:00" in words
    assert "auto-renew on" in words
    assert "next charge 49.99 EUR on 2025-12-18 09:00" in words
    assert standing_at(YEAR + timedelta(days=1)).status == "grace"
    assert standing_at(YEAR + timedelta(days=10)).status == "hold"
    assert standing_at(YEAR + timedelta(days=60)).status == "expired (lapsed)"
    assert standing_at(AT - timedelta(days=1)).status == "not paid"


def test_a_timeline_has_one_row_per_instant_and_what_lies_ahead() -> None:
    stack = Stack({"KAFKA_TOPIC_PREFIX": "t."})
    later = AT + timedelta(seconds=1)
    records = [
        record(payment("R-1", later), "t.payments.events"),
        record(order("R-1", AT), "t.payments.events"),
        record(order("R-1", AT), "t.payments.events"),
        record(order("R-1", AT).replace("online-store", "isp-classic"), "t.payments.events"),
        record(b"not a message", "t.payments.events"),
        record(
            told(
                "billing.cancellation-scheduled.v1",
                AT + timedelta(days=3),
                cancellation_id=str(FACT),
                cancel_at=YEAR.isoformat(),
                channel="support",
            ).to_json(),
            "t.billing.events",
        ),
    ]
    found = entries(stack, records, "online-store")
    assert [entry.topic for entry in found] == [*["payments.events"] * 2, "billing.events"]
    assert [entry.lane for entry in found] == ["money", "money", "periods"]
    words = shown(table(found, standing_at(AT + timedelta(days=4))))
    rows = [row for row in words.splitlines() if row.startswith("202")]
    assert [row[:16] for row in rows] == [
        "2025-01-01 09:00",
        "2025-01-04 09:00",
        "2025-01-05 09:00",
        "2026-01-01 09:00",
        "2026-01-08 09:00",
        "2026-02-07 09:00",
    ]
    assert "· now" in rows[2]
    assert "grace, if nothing happens" in rows[3]
    assert "← order-placed" in words
    assert "access until 2026-01-01 09:00, by support" in words
    assert NAME not in words + json.dumps([entry.to_json() for entry in found], default=str)


def test_business_time_is_not_the_time_of_the_record() -> None:
    message = told("billing.subscription-incomplete-expired.v1", AT)
    assert business_time(message.model_copy(update={"time": YEAR})) == AT
    entry = Entry(AT, lane_of(message.data), "billing.events", message)
    assert entry.to_json()["lane"] == "periods"


def test_a_line_is_masked_unless_asked() -> None:
    one = record(order("R-1", AT), "payments.events")
    words = line(one, "payments.events").plain
    assert words.startswith("09:00:00.000  payments.events")
    assert "order-placed" in words
    assert "49.99 EUR" in words
    for shown_json in (as_json(one, "payments.events"), as_json(one, "billing.dlq")):
        assert NAME not in json.dumps(shown_json, default=str)
        assert EMAIL not in json.dumps(shown_json, default=str)
    assert NAME in json.dumps(as_json(one, "payments.events", unmasked=True), default=str)


def test_a_line_of_what_cannot_be_read() -> None:
    secret = record(b"name=Ann \x1b[31m", "payments.events")
    assert "Ann" not in line(secret, "payments.events").plain
    assert "\\x1b[31m" in line(secret, "payments.events", unmasked=True).plain
    assert "deleted" in line(record(None, "customers.contacts"), "customers.contacts").plain
    assert as_json(secret, "payments.events")["raw"] is None
    dead = record(b"x", "billing.dlq", dlq_code="not_json", dlq_topic="payments.events")
    assert "not_json" in line(dead, "billing.dlq").plain


STATUS = Status(
    virtual=True,
    services=(Service("billing", True, ""), Service("licensing", False, "database: OSError")),
    lag={"tenure.billing": {"payments.events": 3}, "tenure.licensing": {}},
    work=Work(
        AT,
        (
            Item("billing", "outbox", 2, None, 0),
            Item("billing", "due", 0, YEAR, 0),
            Item("billing", "held", 0, None, 1),
            Item("licensing", "outbox_dead", 0, None, 0),
        ),
    ),
    dead_letters={"billing": 4, "licensing": 0},
    mail={"accepted": 9},
)


def test_the_status_ends_with_what_needs_a_person() -> None:
    words = shown(render(STATUS))
    assert "2025-01-01 09:00:00 UTC (virtual clock)" in words
    billing = next(row for row in words.splitlines() if row.startswith("billing  ") and "3" in row)
    assert billing.split() == ["billing", "3", "2", "1", "4", "2026-01-01", "09:00"]
    assert "9 accepted" in words
    assert STATUS.stuck == (
        "licensing is not ready: database: OSError.",
        "4 unsettled dead letters of billing.",
        "1 stuck in billing.held.",
    )
    assert json.loads(json.dumps(STATUS.to_json(), default=str))["stuck"] == list(STATUS.stuck)


def test_work_is_busy_when_it_is_pending_or_overdue() -> None:
    assert STATUS.work.busy == ("billing.outbox (2)",)
    assert STATUS.work.next_due_at == YEAR
    overdue = Work(YEAR, (Item("billing", "due", 0, YEAR, 0),))
    assert overdue.busy == ("billing.due since 2026-01-01 09:00:00",)


def dead(offset: int, service: str = "billing", message_id: str = "m-1") -> DeadLetter:
    one = record(
        b'{"a": "\x1b[31m"}',
        f"{service}.dlq",
        dlq_topic="payments.events",
        dlq_partition="1",
        dlq_offset=str(offset),
        dlq_code="not_json",
        dlq_error="The value is not valid JSON.",
        dlq_id=message_id,
        dlq_subject="R-1",
    )
    return from_record(Stack({}), one)


def test_dead_letters_are_named_by_their_origin() -> None:
    letters = {str(d.origin): d for d in (dead(3), dead(4, "licensing", "m-2"), dead(4))}
    assert list(letters) == [
        "billing:payments.events/1/3",
        "licensing:payments.events/1/4",
        "billing:payments.events/1/4",
    ]
    words = shown(dead_letter_table(list(letters.values())))
    assert "billing:payments.events/1/3" in words
    assert pick(letters, "payments.events/1/3").origin == Origin("billing", "payments.events", 1, 3)
    assert pick(letters, "m-2").origin.service == "licensing"
    with pytest.raises(NotFound, match="Several services"):
        pick(letters, "payments.events/1/4")
    with pytest.raises(NotFound, match="Did you mean billing:payments"):
        pick(letters, "billing:payments.events/1/5")


def test_a_decision_names_origin_action_and_person() -> None:
    given = dict(headers(dead(3), Decision("discard", "Ann", "junk"), FACT))
    assert given["redrive-topic"] == b"payments.events"
    assert (given["redrive-partition"], given["redrive-offset"]) == (b"1", b"3")
    assert (given["redrive-action"], given["redrive-who"]) == (b"discard", b"Ann")
    assert pretty(b'{"a": 1}') == '{\n  "a": 1\n}'
    assert pretty(b"\x1b[31m") == "\\x1b[31m"


def test_cases_and_findings() -> None:
    case = {
        "case_id": FACT,
        "provider_id": "online-store",
        "reference": "R-1",
        "order_id": "O-1",
        "status": "declined",
        "code": "OUTSIDE_WINDOW",
        "amount_minor": 4999,
        "currency": "EUR",
        "requested_at": AT,
    }
    words = shown(case_table([case]))
    assert str(FACT) in words
    assert "declined OUTSIDE_WINDOW" in words
    words = shown(findings_table([Finding("disk", "0.1 GiB free", "Free 2 GiB.")]))
    assert "wrong" in words
    assert "-> Free 2 GiB." in words
