"""`tenure timeline --explain` and `--at` with fixed data: what is said, in which order, by which events."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from rich.console import Console, RenderableType

from contracts.catalogue import ENVELOPES
from contracts.envelope import Envelope
from contracts.values import Money, Plan, period_id, subscription_id
from ledger.access import access_at
from ledger.history import History, PaidPeriod, Will
from ops.explanation import Explanation
from ops.explanation_view import render
from ops.standing import standing
from ops.subscriptions import Known
from ops.tail_lines import understood
from ops.timeline import Entry, Life
from ops.timeline_view import header, table
from policies import load_policies
from tests.ops.orders import payment

AT = datetime(2025, 1, 1, 9, tzinfo=UTC)
YEAR = datetime(2026, 1, 1, 9, tzinfo=UTC)
DAY = timedelta(days=1)
ID = subscription_id("online-store", "R-1")
KNOWN = Known(ID, "online-store", "R-1")
CANCELLED = UUID(int=7)
POLICIES = load_policies()


def told(value: str) -> Envelope:
    message = understood(value.encode())
    assert message
    return message


PAID = told(payment("R-1", AT))


def by_billing(type: str, id: int, fact: UUID, at: datetime, **data: object) -> Envelope:
    return ENVELOPES[type].model_validate_json(
        json.dumps(
            {
                "specversion": "1.0",
                "id": str(UUID(int=id)),
                "source": "/tenure/billing",
                "type": type,
                "subject": str(ID),
                "time": at.isoformat(),
                "providerid": "online-store",
                "data": {"fact_id": str(fact), "effective_at": at.isoformat(), **data},
            }
        )
    )


ENTRIES = [
    Entry(AT, "money", "payments.events", PAID),
    Entry(
        AT,
        "money",
        "billing.events",
        by_billing(
            "billing.payment-succeeded.v1",
            21,
            PAID.cause_id,
            AT,
            order_id="O-R-1",
            period_id=str(period_id(ID, "O-R-1")),
            kind="initial",
            amount={"minor": 4999, "currency": "EUR"},
        ),
    ),
    Entry(
        AT + 5 * DAY,
        "periods",
        "billing.events",
        by_billing(
            "billing.cancellation-scheduled.v1",
            22,
            CANCELLED,
            AT + 5 * DAY,
            cancellation_id=str(CANCELLED),
            cancel_at=YEAR.isoformat(),
            channel="support",
        ),
    ),
    # About the same payment, but much later: no cause of anything.
    Entry(
        YEAR - 14 * DAY,
        "periods",
        "billing.events",
        by_billing(
            "billing.subscription-incomplete-expired.v1", 23, PAID.cause_id, YEAR - 14 * DAY
        ),
    ),
]


def life(at: datetime, clock: datetime | None = None) -> Life:
    """A year that was paid at its beginning and cancelled after five days, as of an instant."""
    period = PaidPeriod(
        fact_id=PAID.cause_id,
        period_id=period_id(ID, "O-R-1"),
        order_id="O-R-1",
        kind="initial",
        ordinal=1,
        amount=Money(minor=4999, currency="EUR"),
        plan=Plan(product_id="a", product_type="update", term="P1Y", seats=3),
        ordered_at=AT,
        paid_at=AT,
        start=AT,
        end=YEAR,
        basis="from_now",
        policy_version="2020-01-01",
        anchor=AT,
        step=1,
    )
    wills = (
        Will(PAID.cause_id, AT, True, "ordered"),
        Will(CANCELLED, AT + 5 * DAY, False, "canceled"),
    )
    history = History(periods=(period,), wills=wills)
    return Life(
        standing(KNOWN, history, POLICIES, at, clock),
        [entry for entry in ENTRIES if entry.at <= at],
        access_at(history, lambda v: POLICIES.stamped("online-store", v), at),
    )


def shown(what: RenderableType) -> str:
    console = Console(width=160, highlight=False, force_terminal=False)
    with console.capture() as captured:
        console.print(what)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def test_an_explanation_names_rules_and_the_events_behind_each_fact() -> None:
    words = shown(render(Explanation(life(AT + 6 * DAY))))
    assert "why access is active as of 2025-01-07 09:00 UTC" in words
    assert "works         everything" in words
    assert "T2    A paid period runs." in words
    assert "S-37  Cancelled: access lasts to the end of what is paid." in words
    causes = [row.split() for row in words.splitlines()[-5:]]
    assert causes == [
        ["2025-01-01", "09:00", "payment", "fact", str(PAID.cause_id)],
        ["payment-succeeded", "payments.events", "R-1-paid"],
        ["payment-succeeded", "billing.events", str(UUID(int=21))],
        ["2025-01-06", "09:00", "will", "fact", str(CANCELLED)],
        ["cancellation-scheduled", "billing.events", str(UUID(int=22))],
    ]


def test_an_explanation_is_plain_data_too() -> None:
    plain = json.loads(json.dumps(Explanation(life(YEAR + DAY)).to_json(), default=str))
    assert (plain["state"], plain["capabilities"]["scan"]) == ("limited", True)
    assert plain["rules"][0] == {
        "rule": "S-37",
        "sentence": "Cancelled: access lasts to the end of what is paid.",
    }
    assert [cause["kind"] for cause in plain["causes"]] == ["payment", "will"]
    assert [event["id"] for event in plain["causes"][0]["events"]] == [
        "R-1-paid",
        str(UUID(int=21)),
    ]
    (event,) = plain["causes"][1]["events"]
    assert event["type"] == "billing.cancellation-scheduled.v1"
    assert event["at"] == str(AT + 5 * DAY)


def test_what_the_topics_keep_no_more_is_said() -> None:
    words = shown(render(Explanation(replace(life(AT + DAY), entries=[]))))
    assert "told by messages that the topics keep no more" in words


def test_before_a_payment_nothing_was_paid() -> None:
    early = Explanation(life(AT - DAY, clock=AT))
    assert "as of 2024-12-31 09:00 UTC: nothing was paid by then." in shown(render(early))
    assert early.to_json()["state"] is None


def rows(at: datetime, clock: datetime | None) -> list[str]:
    one = life(at, clock)
    words = shown(table(one.entries, one.standing))
    return [" ".join(row.split()) for row in words.splitlines() if row.startswith("20")]


def test_a_timeline_of_the_past_knows_nothing_of_what_came_later() -> None:
    one = life(AT + DAY, clock=YEAR)
    words = shown(header(one.standing))
    assert "auto-renew on" in words
    assert "as of 2025-01-02 09:00 UTC" in words
    assert "now" not in words
    assert [row.split()[2:4] for row in rows(AT + DAY, YEAR)] == [
        ["←", "payment-succeeded:"],
        ["·", "as"],
        ["grace,", "if"],
        ["hold,", "if"],
        ["expired", "(lapsed),"],
    ]
    assert "auto-renew off" in shown(header(life(AT + 6 * DAY, clock=YEAR).standing))


def test_a_timeline_of_the_future_shows_what_lies_between() -> None:
    assert [row[11:] for row in rows(YEAR + DAY, YEAR - 10 * DAY)][-3:] == [
        "09:00 · now",
        "09:00 expired (canceled), if nothing happens",
        "09:00 · as of",
    ]
    assert "expired (canceled) since" in shown(header(life(YEAR + DAY, YEAR - 10 * DAY).standing))
