"""What the watch makes of single records: garbage, repetitions, latencies, populations."""

from dataclasses import replace

import pytest

from contracts.envelope import Envelope
from contracts.topics import TOPIC_OF, TOPICS
from ops.watch.auditor import JOINED, Auditor
from ops.watch.catch_up import CatchUp
from ops.watch.checks import Bounds
from ops.watch.hearing import Heard, Hearing
from ops.watch.latency import Latencies
from ops.watch.populations import populations
from ops.watch.windows import Windows
from tests.support.life import Life

T0 = 1_750_000_000_000
_GARBAGE = (None, b"", b"\xff\x00", b"{}", b'{"type": 1}', b'{"type": "a.b.v1"}', b"[" * 9000)


def hearing() -> Hearing:
    return Hearing(Auditor(Bounds()), Windows())


def heard(message: Envelope, offset: int) -> Heard:
    return Heard(TOPIC_OF[message.type].name, 0, offset, T0, message.to_json(), {})


def everything(known: Hearing, life: Life) -> None:
    for offset, message in enumerate(life.play.heard):
        known.take(heard(message, offset), 0)


@pytest.mark.parametrize("topic", [topic.name for topic in TOPICS])
def test_garbage_is_counted_and_passed_over(topic: str) -> None:
    known = hearing()
    for offset, value in enumerate(_GARBAGE):
        known.take(Heard(topic, 0, offset, T0, value, {"ce_type": b"\xff", "dlq-code": b"\xfe"}), 0)
    assert known.positions == {(topic, 0): len(_GARBAGE)}
    assert sum(known.windows.last_full(T0 + 60_000).values()) == len(_GARBAGE)
    assert known.auditor.records == {}


def test_a_valid_envelope_with_a_sequence_from_nowhere_is_survived() -> None:
    known = hearing()
    message = Life().subscribe().on("billing.events")[0]
    for offset, number in enumerate((1, 10**15, None, 3)):
        odd = message.model_copy(update={"sequence": number, "id": str(offset)})
        known.take(heard(odd, offset), 0)
    (record,) = known.auditor.records.values()
    assert len(record.sequences["billing.events"].missing) <= 1000


def test_what_was_read_before_is_not_counted_again() -> None:
    known, life = hearing(), Life().subscribe()
    everything(known, life)
    counted = dict(known.windows.last_full(T0 + 60_000))
    everything(known, life)
    assert dict(known.windows.last_full(T0 + 60_000)) == counted
    types = {kind[1] for kind in counted}
    assert {"payments.payment-succeeded.v1", "licensing.entitlement-granted.v1"} <= types
    assert {kind[2] for kind in counted} <= {"online-store", "-"}


def test_latency_is_from_the_payment_by_the_brokers_time() -> None:
    latencies, found = Latencies(), {}
    for at_ms, message in enumerate(Life().subscribe().play.heard):
        known = message.model_copy(update={"correlationid": "paid"})
        if message.type == "payments.payment-succeeded.v1":
            known = message.model_copy(update={"id": "paid"})
        found |= dict(latencies.hear(known, at_ms * 1000))
    assert set(found) == {"payment_to_entitlement", "payment_to_mail"}
    assert 0 < found["payment_to_entitlement"] < found["payment_to_mail"]


def test_populations_follow_a_life() -> None:
    life = Life().subscribe()

    def sizes() -> dict[str, int]:
        known = hearing()
        everything(known, life)
        records = known.auditor.records.values()
        return {k: v for k, v in populations(records, known.clock).items() if v}

    assert sizes() == {"active": 1}
    life.answer(charges="declines")
    life.advance("now+350d")
    assert sizes() == {"active": 1, "expiring_30d": 1}
    life.advance("now+16d")
    assert sizes() == {"grace": 1}
    life.advance("now+60d")
    assert sizes() == {"ended": 1}


def test_a_pause_is_no_hold() -> None:
    life = Life("isp-classic").subscribe()
    life.command({"type": "pause", "mode": "freeze_term", "resumes_at": "now+20d"})
    life.advance("now+5d")
    known = hearing()
    everything(known, life)
    assert populations(known.auditor.records.values(), known.clock)["paused"] == 1


def test_the_past_is_read_when_all_its_ends_are_reached_or_retention_took_them() -> None:
    past = CatchUp({("a", 0): 5, ("b", 1): 2}, {("a", 0): 0, ("b", 1): 0})
    assert not past.done({}, past.firsts)
    assert not past.done({("a", 0): 5, ("b", 1): 1}, past.firsts)
    assert past.done({("a", 0): 5, ("b", 1): 2}, past.firsts)
    assert past.done({("a", 0): 5, ("b", 1): 1}, {("a", 0): 0, ("b", 1): 2})


@pytest.mark.parametrize("jump_s", [3600, -3600], ids=["ahead", "back"])
def test_a_broker_clock_that_jumps_raises_nothing_and_hides_nothing(jump_s: int) -> None:
    life = Life().subscribe()
    told = [m for m in life.play.heard if TOPIC_OF[m.type].name in JOINED]
    paid = [m for m in told if m.type.startswith(("billing", "notifications"))]
    known = hearing()
    for offset, message in enumerate(paid):
        half = offset >= len(paid) // 2
        at_ms = T0 + half * jump_s * 1000
        known.take(replace(heard(message, offset), at_ms=at_ms), 1_000)
    within_ms = Bounds().entitled_ms
    assert known.auditor.due(1_000 + within_ms - 1, T0) == []
    (alert,) = known.auditor.due(1_000 + within_ms, T0)
    assert alert.data.code == "PAID_NOT_ENTITLED"  # type: ignore[attr-defined]


def test_where_the_topics_begin_is_learnt_from_what_retention_left() -> None:
    known = hearing()
    message = Life().subscribe().on("billing.events")[0]
    known.take(heard(message, 0), 0)
    known.take(replace(heard(message, 7), partition=1, at_ms=T0 + 5), 0)
    known.starts({("billing.events", 1): 7, ("licensing.events", 2): 9, ("x", 0): 0}, T0 + 60)
    seen = known.auditor.seen_from
    assert seen == {"billing.events": T0 + 5, "licensing.events": T0 + 60}
    known.starts({("licensing.events", 2): 9}, T0 + 90)
    assert known.auditor.seen_from == seen
