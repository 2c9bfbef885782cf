"""What an operator does beside a running stack: publish, follow, decide. Real Kafka, services, mail."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from contracts.values import subscription_id
from ops.connection import Stack
from ops.instants import parse_instant
from ops.supervisor import Services
from ops.terminal import run
from tests.ops.orders import EMAIL, NAME, paid_order
from tests.ops.running import Buy, Tenure

pytestmark = [pytest.mark.xdist_group("ops"), pytest.mark.timeout(120)]


def test_a_published_order_is_followed_through_all_topics(tenure: Tenure, buy: Buy) -> None:
    buy("F-1")
    done = tenure("timeline", "online-store/F-1")
    assert done.returncode == 0, done.stderr
    for words in (
        "active since",
        "← order-placed: O-F-1",
        "period-scheduled: period 1",
        "entitlement-granted: active, everything",
        "mail-accepted: order-confirmation",
        "grace, if nothing happens",
    ):
        assert words in done.stdout
    told = json.loads(tenure("timeline", "F-1", "--json").stdout)
    assert told["status"] == "active"
    assert {entry["lane"] for entry in told["entries"]} == {"money", "periods", "access", "mail"}
    assert NAME not in json.dumps(told)
    id = str(subscription_id("online-store", "F-1"))
    assert json.loads(tenure("timeline", id, "--json").stdout)["reference"] == "F-1"


def test_an_unknown_subscription_gets_a_suggestion(tenure: Tenure, buy: Buy) -> None:
    buy("S-1001")
    done = tenure("timeline", "S-1002")
    assert (done.returncode, done.stdout) == (3, "")
    assert "Did you mean S-1001" in done.stderr


def test_access_says_what_works_until_when_and_why(tenure: Tenure, buy: Buy) -> None:
    buy("Access-1")
    done = tenure("access", "Access-1")
    assert done.returncode == 0, done.stderr
    for words in (
        "online-store/Access-1",
        "active since",
        "everything",
        "days left",
        "T2",
        "payment",
    ):
        assert words in done.stdout
    told = json.loads(tenure("access", "online-store/Access-1", "--json").stdout)
    assert (told["state"], told["seats"], told["renewal_pending"]) == ("active", 3, False)
    end = told["valid_until"]
    ended = json.loads(tenure("access", told["subscription_id"], "--at", end, "--json").stdout)
    assert (ended["state"], ended["days_remaining"]) == ("grace", 0)
    assert "S-13" in ended["rules"]
    assert "nothing paid yet" in tenure("access", "Access-1", "--at", "2020-01-01").stdout
    unknown = tenure("access", "Access-11")
    assert (unknown.returncode, unknown.stdout) == (3, "")
    assert "Did you mean Access-1" in unknown.stderr
    assert tenure("access", "Access-1", "--at", "soon").returncode == 2


def test_tail_merges_topics_and_hides_personal_data(tenure: Tenure, buy: Buy) -> None:
    buy("T-1")
    done = tenure("tail", "--no-follow", "--subscription", "T-1")
    lines = done.stdout.splitlines()
    topics = [line.split()[1] for line in lines]
    assert (
        topics[0] == "payments.events"
    )  # what billing says of the order may come before the payment
    assert topics.count("payments.events") == 2
    times = [line.split()[0] for line in lines]
    assert times == sorted(times)
    assert NAME not in tenure("tail", "--no-follow", "--json").stdout
    contacts = tenure("tail", "customers.contacts", "--no-follow", "--unmasked", "--json").stdout
    assert EMAIL in contacts
    done = tenure("tail", "--no-follow", "--where", "type=order-placed", "--limit", "1", "--json")
    (last,) = map(json.loads, done.stdout.splitlines())
    assert last["message"]["subject"] == "T-1"
    assert tenure("tail", "--no-follow", "--since", "2100-01-01").stdout == ""


def test_tail_lets_through_what_all_conditions_ask_for(tenure: Tenure, buy: Buy) -> None:
    buy("Where-1")
    buy("Where-2")

    def told(*where: str) -> list[tuple[str, str]]:
        conditions = [word for each in where for word in ("--where", each)]
        done = tenure("tail", "--no-follow", "--json", *conditions)
        assert done.returncode == 0, done.stderr
        messages = [json.loads(line)["message"] for line in done.stdout.splitlines()]
        return [(message["type"].split(".")[1], message["id"]) for message in messages]

    both = ["Where-1-order", "Where-2-order"]
    assert [id for _, id in told("type=order-placed", "subject=Where-*")] == both
    assert [id for _, id in told("data.order_id=O-Where-2", "source=/shop")] == [
        "Where-2-order",
        "Where-2-paid",
    ]
    by_billing = told("data.order_id=O-Where-1", "source!=/shop")
    assert {"payment-succeeded", "period-scheduled"} <= {type for type, _ in by_billing}
    followed = told("correlationid=Where-1-paid")
    assert {"payment-succeeded", "entitlement-granted"} <= {type for type, _ in followed}
    assert told("type=order-placed", "data.amount.minor!=4999", "subject=Where-*") == []
    shown = tenure("tail", "--no-follow", "--unmasked", "--where", f"data.email={EMAIL}")
    assert "customer-contact" in shown.stdout


def test_tail_reads_only_the_time_that_is_asked_for(
    tenure: Tenure, buy: Buy, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ops import tail_stream

    read: list[str] = []
    whole = tail_stream.read_to

    async def counted(*given: Any) -> AsyncIterator[Any]:
        async for batch in whole(*given):
            read.extend(r.topic for records in batch.values() for r in records)
            yield batch

    buy("Span-1")
    begin = datetime.now(UTC).isoformat()
    buy("Span-2")
    end = datetime.now(UTC).isoformat()
    buy("Span-3")
    monkeypatch.setattr(tail_stream, "read_to", counted)
    done = tenure("tail", "--since", begin, "--until", end, "--json")
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(read) == len(told) > 4
    assert all(begin < each["recorded"] < end for each in told)
    orders = [each for each in told if each["topic"] == "payments.events"]
    assert {each["message"]["subject"] for each in orders} == {"Span-2"}
    before = tenure("tail", "payments.events", "--until", end, "--json").stdout
    assert "Span-1" in before
    assert "Span-3" not in before
    assert "Span-3" in tenure("tail", "--no-follow", "--since", end, "--json").stdout


def test_a_timeline_explains_access_by_its_events(tenure: Tenure, buy: Buy) -> None:
    buy("Why-1")
    bought = json.loads(tenure("clock", "show", "--json").stdout)["now"]
    done = tenure("timeline", "Why-1", "--explain")
    assert done.returncode == 0, done.stderr
    words = " ".join(done.stdout.split())
    assert "why access is active as of" in words
    assert "T2 A paid period runs." in words
    assert "payment-succeeded payments.events Why-1-paid" in words
    assert "period-scheduled billing.events" in words
    assert tenure("clock", "advance", "5d").returncode == 0
    assert tenure("cancel", "Why-1", "--reason", "too dear").returncode == 0

    now = json.loads(tenure("timeline", "Why-1", "--explain", "--json").stdout)
    assert "S-37" in [each["rule"] for each in now["explanation"]["rules"]]
    payment, will = now["explanation"]["causes"]
    types = {event["type"].split(".")[1] for event in will["events"]}
    assert types == {"cancel", "cancellation-scheduled"}
    ids = {entry["id"] for entry in now["entries"]}
    assert {event["id"] for cause in (payment, will) for event in cause["events"]} <= ids

    then = json.loads(tenure("timeline", "Why-1", "--explain", "--at", bought, "--json").stdout)
    assert (then["auto_renew"], now["auto_renew"]) == (True, False)
    assert {entry["at"] for entry in then["entries"]} <= {entry["at"] for entry in now["entries"]}
    assert then["as_of"] < then["now"] == now["now"] == now["as_of"]
    assert all(entry["at"] <= then["as_of"] for entry in then["entries"])
    assert not any("cancel" in entry["type"] for entry in then["entries"])
    assert then["explanation"]["rules"][0]["rule"] == "T2"
    assert len(then["explanation"]["causes"]) == 1
    end = now["explanation"]["valid_until"]
    after = tenure("timeline", "Why-1", "--explain", "--at", end).stdout
    assert "why access is expired as of" in after
    assert "· as of" in after
    assert "S-37" in after
    early = tenure("timeline", "Why-1", "--explain", "--at", "2020-01-01").stdout
    assert "nothing was paid by then" in early
    assert "order-placed" not in early


def test_cancel_answers_once_for_one_id(tenure: Tenure, buy: Buy) -> None:
    buy("C-1")
    id = str(uuid4())
    first = tenure("cancel", "C-1", "--id", id, "--reason", "too dear", "--json")
    assert first.returncode == 0, first.stderr
    again = tenure("cancel", "C-1", "--id", id, "--json")
    assert json.loads(again.stdout) == json.loads(first.stdout)
    assert json.loads(first.stdout)["type"] == "billing.cancellation-scheduled.v1"
    refused = tenure("cancel", "C-1")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "NO_AUTO_RENEWAL" in refused.stderr
    assert "auto-renew off" in tenure("timeline", "C-1").stdout
    assert tenure("uncancel", "C-1").returncode == 0
    assert "auto-renew on" in tenure("timeline", "C-1").stdout
    assert tenure("cancel", "C-1", "--id", "no-uuid").returncode == 2


def test_a_refund_is_requested_listed_and_approved(
    tenure: Tenure, buy: Buy, office: Services
) -> None:
    order = buy("R-1")
    now = parse_instant(json.loads(tenure("clock", "show", "--json").stdout)["now"])
    day = str(now.astimezone(ZoneInfo("Europe/Berlin")).date())  # the policy's refund_tz
    who = ("--purchased-on", day, "--email", EMAIL)
    wrong = tenure("refunds", "request", "R-1", order, *who, "--name", "Bob")
    assert wrong.returncode == 1
    assert "IDENTITY_MISMATCH" in wrong.stderr
    asked = tenure("refunds", "request", "R-1", order, *who, "--name", NAME.upper())
    assert asked.returncode == 0, asked.stderr
    case = asked.stdout.split("\ncase ")[1].strip()
    assert case in tenure("refunds", "list", "--status", "under-review").stdout
    near = tenure("refunds", "approve", case[:-1] + "x", "--operator", "Ann")
    assert near.returncode == 3
    assert f"Did you mean {case}" in near.stderr
    done = tenure("refunds", "approve", case, "--operator", "Ann")
    assert done.returncode == 0, done.stderr
    again = tenure("refunds", "decline", case, "LATE", "--operator", "Ann")
    assert again.returncode == 1
    assert "CASE_CLOSED" in again.stderr
    assert "expired (refunded)" in tenure("timeline", "R-1").stdout


def test_no_answer_says_how_to_ask_again(
    tenure: Tenure, buy: Buy, office: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    buy("N-1")
    monkeypatch.setattr("ops.asking.WAIT_S", 1.0)
    run(office.stop("billing"))
    try:
        done = tenure("cancel", "N-1")
        assert done.returncode == 75
        id = done.stderr.split("--id ")[1].split()[0]
    finally:
        office.spawn("billing")
        run(office.wait_ready("billing"))
    assert tenure("clock", "advance", "1m").returncode == 0
    assert tenure("cancel", "N-1", "--id", id).returncode == 0


def test_a_dead_letter_is_shown_corrected_and_sent_back(
    tenure: Tenure, where: Stack, tmp_path: Path
) -> None:
    from contracts.topics import PAYMENTS_EVENTS
    from ops.sending import sender

    async def publish() -> None:
        async with sender(where) as to:
            for key, value in ((b"L-1", b'{"id": "\x1b[2J'), (b"L-2", good.encode())):
                await to.send(PAYMENTS_EVENTS.name, key, value, [("origin", b"shop")])

    now = parse_instant(json.loads(tenure("clock", "show", "--json").stdout)["now"])
    good = paid_order("L-3", now - timedelta(minutes=1)).splitlines()[0]
    run(publish())
    assert tenure("clock", "advance", "1m").returncode == 0
    listed = [json.loads(each) for each in tenure("dlq", "list", "--json").stdout.splitlines()]
    ids = {each["code"]: each["id"] for each in listed}
    assert set(ids) == {"not_json", "key_mismatch"}
    shown = tenure("dlq", "show", ids["not_json"]).stdout
    assert "\\x1b[2J" in shown
    assert "dlq-topic: payments.events" in shown
    assert tenure("status", "--check").returncode == 4
    refused = tenure("dlq", "redrive", ids["not_json"], "--who", "Ann")
    assert refused.returncode == 1
    assert "not_json" in refused.stderr
    done = tenure("dlq", "discard", ids["not_json"], "--who", "Ann", "--why", "rubbish")
    assert done.returncode == 0, done.stderr
    edited = tmp_path / "edited.json"
    edited.write_text(good)
    done = tenure("dlq", "redrive", ids["key_mismatch"], "--who", "Ann", "--file", str(edited))
    assert done.returncode == 0, done.stderr
    assert tenure("clock", "advance", "1m").returncode == 0
    assert tenure("dlq", "list").stdout.strip() == "No dead letter waits."
    assert tenure("timeline", "L-3").returncode == 0
    assert tenure("status", "--check").returncode == 0


def test_status_tells_every_part(tenure: Tenure) -> None:
    told = json.loads(tenure("status", "--json").stdout)
    assert [service["ready"] for service in told["services"]] == [True] * 3
    assert told["clock"] == "virtual"
    names = {group.rpartition(".")[2] for group in told["lag"]}
    assert names == {service["name"] for service in told["services"]}
    words = tenure("status").stdout
    assert "virtual clock" in words
    assert tenure("db", "status").returncode == 0
    assert "All topics are there" in tenure("topics", "apply").stdout


def test_the_clock_does_not_go_back(tenure: Tenure) -> None:
    before = json.loads(tenure("clock", "show", "--json").stdout)["now"]
    assert tenure("clock", "advance", "--to", "2020-01-01").returncode == 0
    assert json.loads(tenure("clock", "show", "--json").stdout)["now"] == before
    done = json.loads(tenure("clock", "advance", "2d", "--step", "1d", "--json").stdout)
    assert done["now"] > before
