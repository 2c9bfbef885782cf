"""`tenure access`: how an answer looks, and what it says beside a running stack."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from rich.console import Console, RenderableType

from contracts.values import Money, Plan, period_id, subscription_id
from ledger.access import Access, access_at
from ledger.history import History, PaidPeriod, Will
from ledger.open_money import Asked, Dispute
from ledger.pauses import Pause
from ledger.reasons import RULES
from ops.access import to_json
from ops.access_view import SENTENCES, render
from ops.standing import Standing, standing
from ops.subscriptions import Known
from ops.timeline_view import header, table
from policies import load_policies

AT = datetime(2025, 1, 1, 9, tzinfo=UTC)
YEAR = datetime(2026, 1, 1, 9, tzinfo=UTC)
DAY = timedelta(days=1)
FACT = UUID(int=1)
POLICIES = load_policies()


def history(provider: str = "online-store") -> tuple[Known, History]:
    """A paid year at a provider."""
    id = subscription_id(provider, "R-1")
    period = PaidPeriod(
        fact_id=FACT,
        period_id=period_id(id, "O-1"),
        order_id="O-1",
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
    will = Will(fact_id=FACT, at=AT, auto_renew=True, reason="ordered")
    return Known(id, provider, "R-1"), History(periods=(period,), wills=(will,))


def asked(known: Known, told: History, at: datetime) -> Access | None:
    return access_at(told, lambda v: POLICIES.stamped(known.provider_id, v), at)


def shown(what: RenderableType) -> str:
    console = Console(width=160, highlight=False, force_terminal=False)
    with console.capture() as captured:
        console.print(what)
    return captured.get()


def at(known: Known, told: History, instant: datetime) -> Standing:
    return standing(known, told, POLICIES, instant)


def test_an_answer_says_state_time_and_reasons() -> None:
    known, told = history()
    words = shown(render(known, AT + DAY, asked(known, told, AT + DAY)))
    assert "active since 2025-01-01 09:00   as of 2025-01-02 09:00 UTC" in words
    for row in (
        "works         everything",
        "until         2026-01-01 09:00, if nothing happens",
        "seats         3",
        "paid through  2026-01-01 09:00, 364 days left",
        "T2    A paid period runs.",
        f"2025-01-01 09:00  payment  {FACT}",
    ):
        assert row in words
    assert "unanswered" not in words


def test_an_answer_about_a_pause_a_dispute_and_an_end() -> None:
    known, told = history("app-store-like")
    pause = Pause(fact_id=UUID(int=2), mode="run_term", at=AT + DAY, resumes_at=AT + 9 * DAY)
    words = shown(render(known, AT, asked(known, told.with_pause(pause), AT + DAY)))
    assert "suspended since 2025-01-02" in words
    assert "works         protection, scan" in words
    assert "until         2025-01-10" in words
    assert "T23   It is paused." in words
    disputed = told.with_dispute(
        Dispute(UUID(int=3), "D-1", told.periods[0].period_id, at=AT + DAY)
    )
    words = shown(render(known, AT, asked(known, disputed, AT + DAY)))
    assert "until         the dispute is decided" in words
    ended = asked(known, told, YEAR + 90 * DAY)
    words = shown(render(known, AT, ended))
    assert "limited since" in words
    assert "2026-01-01 09:00, 0 days left" in words
    assert "until         it is paid again" in words


def test_every_rule_has_a_sentence_and_every_sentence_a_rule() -> None:
    assert {rule for rules in RULES.values() for rule in rules} == set(SENTENCES)


def test_before_a_payment_there_is_nothing() -> None:
    known, told = history()
    before = AT - DAY
    assert "nothing paid yet" in shown(render(known, before, asked(known, told, before)))
    assert to_json(known, before, None)["state"] is None


def test_an_answer_as_json_is_complete() -> None:
    known, told = history()
    plain = json.loads(json.dumps(to_json(known, AT, asked(known, told, AT)), default=str))
    assert plain["days_remaining"] == 365
    assert plain["rules"] == ["T2", "S-01"]
    assert plain["causes"] == [{"kind": "payment", "fact_id": str(FACT), "at": str(AT)}]
    assert plain["capabilities"]["scan"] is True


def test_a_timeline_tells_pauses_and_disputes_apart_from_other_holds() -> None:
    known, told = history("app-store-like")
    pause = Pause(fact_id=UUID(int=2), mode="run_term", at=AT + DAY, resumes_at=AT + 9 * DAY)
    paused = told.with_pause(pause)
    assert at(known, paused, AT + DAY).status == "paused"
    words = shown(table([], at(known, paused, AT)))
    assert "paused, if nothing happens" in words
    disputed = told.with_dispute(Dispute(FACT, "D-1", told.periods[0].period_id, at=AT + DAY))
    assert "hold (dispute) since 2025-01-02" in shown(header(at(known, disputed, AT + 2 * DAY)))
    assert at(known, told, YEAR + 20 * DAY).status == "hold"


@pytest.mark.parametrize(
    ("closed", "words"),
    [
        (None, "49.99 EUR requested"),
        (YEAR - 10 * DAY, "none"),
    ],
)
def test_the_next_charge_is_the_one_that_was_asked_for(closed: datetime | None, words: str) -> None:
    known, told = history()
    told = told.with_asked(Asked(FACT, told.periods[0].period_id, YEAR - 14 * DAY, closed))
    assert f"next charge {words}" in shown(header(at(known, told, YEAR - 9 * DAY)))


def test_no_charge_is_ahead_while_money_is_disputed_and_later_when_a_pause_lies_between() -> None:
    """Q16, Q17."""
    known, told = history()
    disputed = told.with_dispute(Dispute(FACT, "D-1", told.periods[0].period_id, at=AT + DAY))
    assert at(known, disputed, AT + 2 * DAY).next_charge is None
    pause = Pause(
        fact_id=FACT, mode="at_period_end", at=AT, resumes_at=YEAR + 60 * DAY,
        follows=told.periods[0].period_id,
    )  # fmt: skip
    charge = at(known, told.with_pause(pause), AT + DAY).next_charge
    assert charge
    assert charge.at == YEAR + 46 * DAY
