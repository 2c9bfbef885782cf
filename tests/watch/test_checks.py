"""Each check of the live auditor: raised by what is missing, resolved by what comes, quiet where it is right."""

from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from contracts import billing, licensing, notifications
from contracts.envelope import Envelope
from contracts.operations import AlertRaised
from contracts.topics import TOPIC_OF
from ops.watch.auditor import Auditor
from ops.watch.broker_clock import BrokerClock
from ops.watch.checks import Bounds
from ops.watch.lag import Behind, finding, unknown
from ops.watch.record import At
from ops.watch.windows import OTHER, Windows
from tests.support.life import Life
from tests.watch.town import charged, words

BOUNDS = Bounds(entitled_ms=30_000, confirmed_ms=120_000, settle_ms=10_000)
T0 = 1_750_000_000_000
LATE = T0 + 1_000_000_000
_OURS = ("billing.events", "licensing.events", "notifications.events")


def heard(life: Life) -> list[Envelope]:
    return [m for m in life.play.heard if TOPIC_OF[m.type].name in _OURS]


def tell(auditor: Auditor, messages: list[Envelope], at_ms: int = T0) -> None:
    for message in messages:
        auditor.hear(message, TOPIC_OF[message.type].name, At(at_ms, at_ms))


def said(auditor: Auditor, now_ms: int) -> list[str]:
    return words(m.data for m in auditor.due(now_ms, now_ms))  # type: ignore[misc]


def split(messages: list[Envelope], writer: str) -> tuple[list[Envelope], list[Envelope]]:
    """What the others tell, and what this service tells."""
    own = [m for m in messages if TOPIC_OF[m.type].writer == writer]
    return [m for m in messages if m not in own], own


@pytest.mark.parametrize(
    ("silent", "code", "after_ms"),
    [
        ("licensing", "PAID_NOT_ENTITLED", 30_000),
        ("notifications", "PAID_NOT_CONFIRMED", 120_000),
        ("billing", "ENTITLED_WITHOUT_REASON", 10_000),
    ],
)
def test_a_service_is_silent_about_a_payment(silent: str, code: str, after_ms: int) -> None:
    rest, missing = split(heard(Life().subscribe()), silent)
    auditor = Auditor(BOUNDS)
    tell(auditor, rest, at_ms=T0 + 500)
    assert said(auditor, T0 + 500 + after_ms - 1) == []
    assert said(auditor, T0 + 500 + after_ms) == [f"+{code}"]
    assert said(auditor, LATE) == []
    tell(auditor, missing, at_ms=LATE)
    assert said(auditor, LATE) == [f"-{code}"]
    assert said(auditor, LATE + 1_000_000) == []


def test_what_comes_in_time_is_no_alert() -> None:
    rest, missing = split(heard(Life().subscribe()), "licensing")
    auditor = Auditor(BOUNDS)
    tell(auditor, rest)
    assert said(auditor, T0 + 29_999) == []
    tell(auditor, missing, at_ms=T0 + 29_999)
    assert said(auditor, LATE) == []


def test_the_alert_names_its_evidence_and_what_to_run() -> None:
    life = Life().subscribe()
    rest, _ = split(heard(life), "licensing")
    auditor = Auditor(BOUNDS)
    tell(auditor, rest)
    (message,) = auditor.due(LATE, LATE)
    assert isinstance(message.data, AlertRaised)
    (scheduled,) = [m for m in rest if isinstance(m.data, billing.PeriodScheduled)]
    assert message.data.evidence == (scheduled.id,)
    assert message.data.suggested_command == f"tenure access {life.play.id}"
    assert message.subject == str(life.play.id)
    assert message.providerid == "online-store"


def test_a_charge_without_its_reminder() -> None:
    messages = heard(charged())
    proof = [
        m
        for m in messages
        if isinstance(m.data, notifications.MailAccepted) and m.data.kind == "renewal-reminder"
    ]
    late = [m for m in messages[messages.index(proof[0]) :] if m.type.startswith("notifications")]
    auditor = Auditor(BOUNDS)
    tell(auditor, [m for m in messages if m not in late])
    assert said(auditor, LATE) == ["+CHARGED_WITHOUT_REMINDER"]
    tell(auditor, late)
    assert said(auditor, LATE) == ["-CHARGED_WITHOUT_REMINDER"]


def test_a_waived_reminder_is_a_reason() -> None:
    messages = heard(charged())
    (request,) = [m for m in messages if isinstance(m.data, billing.RenewalChargeRequested)]
    assert isinstance(request.data, billing.RenewalChargeRequested)
    waived = billing.ReminderWaived(
        fact_id=uuid4(),
        effective_at=request.data.effective_at,
        renews=request.data.renews,
        reason="unproven",
    )
    auditor = Auditor(BOUNDS)
    tell(auditor, [m for m in messages if not m.type.startswith("notifications")])
    last = max(m.sequence or 0 for m in messages if m.type.startswith("billing"))
    change = {"id": "w", "sequence": last + 1, "data": waived, "type": waived.TYPE}
    tell(auditor, [request.model_copy(update=change)])
    assert "+CHARGED_WITHOUT_REMINDER" not in said(auditor, LATE)


def test_a_second_charge_of_a_period() -> None:
    messages = heard(charged())
    (request,) = [m for m in messages if isinstance(m.data, billing.RenewalChargeRequested)]
    last = max(m.sequence or 0 for m in messages if m.type.startswith("billing"))
    assert isinstance(request.data, billing.RenewalChargeRequested)
    data = request.data.model_copy(update={"charge_id": uuid4()})
    change = {"id": "again", "sequence": last + 1, "data": data}
    auditor = Auditor(BOUNDS)
    tell(auditor, [*messages, request.model_copy(update=change)])
    assert said(auditor, LATE) == ["+CHARGED_TWICE"]


def test_refunded_but_still_entitled() -> None:
    life = Life().subscribe()
    life.advance("now+3d")
    life.command({"type": "request-refund", "order": 1})
    life.command({"type": "approve-refund", "order": 1})
    messages = heard(life)
    ends = next(m for m in messages if isinstance(m.data, licensing.PeriodEnded))
    late = [m for m in messages[messages.index(ends) :] if m.type.startswith("licensing")]
    auditor = Auditor(BOUNDS)
    tell(auditor, [m for m in messages if m not in late])
    assert said(auditor, LATE) == ["+REFUNDED_STILL_ENTITLED"]
    tell(auditor, late)
    assert said(auditor, LATE) == ["-REFUNDED_STILL_ENTITLED"]


def test_a_gap_and_a_repetition() -> None:
    messages = heard(charged())
    (missing,) = [m for m in messages if isinstance(m.data, billing.PaymentSucceeded)]
    auditor = Auditor(BOUNDS)
    tell(auditor, [m for m in messages if m is not missing] * 2)
    assert said(auditor, LATE) == ["+SEQUENCE_GAP"]
    tell(auditor, [missing])
    assert said(auditor, LATE) == ["-SEQUENCE_GAP"]


def test_what_begins_after_retention_is_neither_a_gap_nor_without_reason() -> None:
    messages = heard(Life().subscribe())
    kept = [m for m in messages if m.type.startswith("licensing")]
    cut = [m for m in messages if m.type.startswith("billing")][-1:]
    auditor = Auditor(BOUNDS)
    auditor.seen_from = {"billing.events": T0 + 1}
    tell(auditor, kept)
    assert said(auditor, LATE) == []
    tell(auditor, cut)
    assert "+SEQUENCE_GAP" not in said(auditor, LATE)


@pytest.mark.parametrize("silent", ["licensing", "notifications"])
def test_what_retention_took_is_not_missed_but_what_is_told_since_is(silent: str) -> None:
    """The topic of a service was emptied: what it told before is not known."""
    topic = f"{silent}.events"
    before, _ = split(heard(charged()), silent)
    since, _ = split(heard(Life().subscribe()), silent)
    code = {"licensing": "PAID_NOT_ENTITLED", "notifications": "PAID_NOT_CONFIRMED"}[silent]
    for messages, at_ms, expected in ((before, T0, []), (since, T0 + 1, [f"+{code}"])):
        auditor = Auditor(BOUNDS)
        auditor.seen_from = {topic: T0 + 1}
        tell(auditor, messages, at_ms)
        assert said(auditor, LATE) == expected


def test_a_restart_tells_nothing_twice_and_resolves_what_healed() -> None:
    rest, missing = split(heard(Life().subscribe()), "licensing")
    first = Auditor(BOUNDS)
    tell(first, rest)
    told = first.due(LATE, LATE)
    assert len(told) == 1
    again = Auditor(BOUNDS)
    tell(again, [*told, *rest, *told])
    again.touch_all()
    assert said(again, LATE) == []
    healed = Auditor(BOUNDS)
    tell(healed, [*rest, *missing, *told])
    healed.touch_all()
    (resolved,) = healed.due(LATE, LATE)
    assert resolved.data.alert_id == told[0].data.alert_id  # type: ignore[attr-defined]


def test_an_old_alert_about_a_subscription_that_is_out_of_retention_is_resolved() -> None:
    rest, _ = split(heard(Life().subscribe()), "licensing")
    first = Auditor(BOUNDS)
    tell(first, rest)
    later = Auditor(BOUNDS)
    tell(later, first.due(LATE, LATE))
    later.touch_all()
    assert said(later, LATE) == ["-PAID_NOT_ENTITLED"]


def test_a_service_that_lags_is_told_once_per_place() -> None:
    behind = Behind("billing")
    assert behind.seconds(0, {"p": 5}, {"p": 5}) == 0
    assert behind.seconds(10, {"p": 8}, {"p": 5}) == 0
    assert behind.seconds(14, {"p": 9}, {"p": 5}) == 4
    assert behind.seconds(15, {"p": 9}, {"p": 8}) == 1
    assert behind.seconds(99, {"p": 9}, {"p": 9}) == 0
    auditor = Auditor(BOUNDS)
    lag = finding("billing", 61, 7, "payments.events/0/5")
    auditor.lags({"billing": lag})
    assert said(auditor, T0) == ["+SERVICE_LAGS"]
    auditor.lags({"billing": replace(lag, sentence="It is worse.", evidence=("x",))})
    assert said(auditor, T0) == []
    auditor.lags({})
    assert said(auditor, T0) == ["-SERVICE_LAGS"]


def test_a_lag_that_stands_is_resolved_only_when_it_is_known_to_be_over() -> None:
    first = Auditor(BOUNDS)
    first.lags({"billing": finding("billing", 61, 7, "payments.events/0/5")})
    told = first.due(T0, T0)
    again = Auditor(BOUNDS)
    tell(again, told)
    assert said(again, T0) == []
    behind = Behind("billing")
    assert behind.seconds(0, {"p": 12}, {"p": 5}) == 0
    assert not behind.known
    again.lags({"billing": unknown("billing")})
    assert said(again, T0) == []
    assert behind.seconds(5, {"p": 20}, {"p": 12}) == 0
    assert behind.known
    again.lags({})
    assert said(again, T0) == ["-SERVICE_LAGS"]
    fresh = Auditor(BOUNDS)
    fresh.lags({"billing": unknown("billing")})
    assert said(fresh, LATE) == []


def test_the_brokers_clock_ignores_ours_and_never_runs_ahead() -> None:
    clock = BrokerClock()
    assert clock.now_ms(10**9) == 0
    clock.see(5_000, steady_ms=100)
    clock.see(1_000, steady_ms=200)  # an old record that is read late
    assert clock.now_ms(100) == 5_000
    assert clock.now_ms(700) == 5_600
    clock.see(9_000, steady_ms=800)
    assert clock.now_ms(900) == 9_100


def test_windows_are_tumbling_bounded_and_by_the_records_time() -> None:
    windows = Windows(size_ms=1000, kept=2, kinds_max=2)
    kind = ("t", "a.b.v1", "p", "ok")
    for at_ms in (0, 999, 1000):
        windows.add(kind, at_ms)
    assert windows.last_full(1500) == {kind: 2}
    assert windows.last_full(2999) == {kind: 1}
    assert windows.last_full(9000) == {}
    windows.add(("t", "other", "p", "ok"), 2000)
    windows.add(("t", "third", "stranger", "ok"), 2000)
    assert windows.last_full(3000) == {
        ("t", "other", "p", "ok"): 1,
        ("t", OTHER, OTHER, OTHER): 1,
    }
    windows.add(kind, 0)  # too late
    assert sorted(windows.counts) == [1000, 2000]


def test_a_message_about_nothing_of_ours_is_passed_over() -> None:
    message = heard(Life().subscribe())[0].model_copy(update={"subject": "not an id"})
    auditor = Auditor(BOUNDS)
    auditor.hear(message, "billing.events", At(0, 0))
    assert auditor.records == {}
    assert all(isinstance(id, UUID) for id in auditor.records)
