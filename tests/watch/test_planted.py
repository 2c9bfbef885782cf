"""Each planted violation is found on the real stack, told once, and resolved when the fact arrives."""

import asyncio
import json
import time
from pathlib import Path
from uuid import uuid4

import pytest

from contracts import billing, licensing, notifications
from contracts.catalogue import ENVELOPES
from contracts.envelope import Envelope
from contracts.operations import Alert
from contracts.topics import SERVICES, TOPIC_OF, TOPICS
from devstack import ports
from ops.supervisor import Services
from tests.ops.running import run_tenure
from tests.support.eventually import eventually
from tests.support.life import Life
from tests.support.metrics import counted
from tests.watch.conftest import Report
from tests.watch.town import Keep, Told, Town, charged, on, paid, words

pytestmark = [pytest.mark.xdist_group("watch"), pytest.mark.timeout(180)]


class Before:
    """What a topic tells until the first message of a kind; other topics whole."""

    def __init__(self, kind: type, topic: str) -> None:
        self._kind, self._topic, self._met = kind, topic, False

    def __call__(self, message: Envelope) -> bool:
        if TOPIC_OF[message.type].name != self._topic:
            return True
        self._met = self._met or isinstance(message.data, self._kind)
        return not self._met


def refunded() -> Told:
    life = Life().subscribe()
    life.advance("now+3d")
    life.command({"type": "request-refund", "order": 1})
    life.command({"type": "approve-refund", "order": 1})
    assert life.told(licensing.EntitlementEnded)
    return Told(life)


async def found_and_resolved(town: Town, report: Report, told: Told, code: str, keep: Keep) -> None:
    await town.tell(told, keep)
    (alert,) = await town.wait_for(told.id, f"+{code}")
    assert alert.evidence
    assert alert.suggested_command.startswith("tenure ")
    raised_s = town.seconds_to(told.id, f"+{code}", told.told_at)
    await town.tell(told)
    await town.wait_for(told.id, f"+{code}", f"-{code}")
    report(code, raised_s, town.seconds_to(told.id, f"-{code}", told.told_at))


async def test_paid_but_not_entitled(town: Town, report: Report) -> None:
    keep = on("billing", "notifications")
    await found_and_resolved(town, report, paid(), "PAID_NOT_ENTITLED", keep)


async def test_paid_but_not_confirmed(town: Town, report: Report) -> None:
    await found_and_resolved(town, report, paid(), "PAID_NOT_CONFIRMED", on("billing", "licensing"))


async def test_entitled_without_reason(town: Town, report: Report) -> None:
    await found_and_resolved(town, report, paid(), "ENTITLED_WITHOUT_REASON", on("licensing"))


async def test_charged_without_reminder(town: Town, report: Report) -> None:
    told = Told(charged())
    reminders = [
        m
        for m in told.left
        if isinstance(m.data, notifications.MailAccepted) and m.data.kind == "renewal-reminder"
    ]
    assert reminders
    late = {m.id for m in told.left[told.left.index(reminders[0]) :] if on("notifications")(m)}
    code = "CHARGED_WITHOUT_REMINDER"
    await found_and_resolved(town, report, told, code, lambda message: message.id not in late)


async def test_refunded_but_still_entitled(town: Town, report: Report) -> None:
    ends = Before(licensing.PeriodEnded, "licensing.events")
    await found_and_resolved(town, report, refunded(), "REFUNDED_STILL_ENTITLED", ends)


async def test_two_charges_for_one_period(town: Town, report: Report) -> None:
    life = charged()
    told = Told(life)
    await town.tell(told)
    request = [m for m in life.play.heard if isinstance(m.data, billing.RenewalChargeRequested)][-1]
    assert isinstance(request.data, billing.RenewalChargeRequested)
    last = max(m.sequence or 0 for m in life.on("billing.events"))
    second, charge_id = str(uuid4()), uuid4()
    data = request.data.model_copy(update={"charge_id": charge_id})
    change = {"id": second, "sequence": last + 1, "data": data}
    again = request.model_copy(update=change)
    said_at = time.time()
    await town.say(told.value(again), again)
    (alert,) = await town.wait_for(told.id, "+CHARGED_TWICE")
    raised_s = town.seconds_to(told.id, "+CHARGED_TWICE", said_at)
    assert set(alert.evidence) == {request.id, second}
    withdrawn = billing.RenewalChargeWithdrawn(
        fact_id=uuid4(),
        effective_at=life.now,
        charge_id=charge_id,
        renews=data.renews,
        reason="paid_otherwise",
    )
    change = {"id": str(uuid4()), "sequence": last + 2, "data": withdrawn, "type": withdrawn.TYPE}
    message = ENVELOPES[withdrawn.TYPE](**{**dict(request), **change})
    said_at = time.time()
    await town.say(told.value(message), message)
    await town.wait_for(told.id, "+CHARGED_TWICE", "-CHARGED_TWICE")
    report("CHARGED_TWICE", raised_s, town.seconds_to(told.id, "-CHARGED_TWICE", said_at))


async def test_a_gap(town: Town, report: Report) -> None:
    told = Told(charged())
    (missing,) = [m for m in told.left if isinstance(m.data, billing.PaymentSucceeded)]
    keep: Keep = lambda message: message is not missing  # noqa: E731
    await found_and_resolved(town, report, told, "SEQUENCE_GAP", keep)


async def test_services_that_do_not_run_lag(town: Town, report: Report) -> None:
    """Nobody reads here; then each group commits that it has read all."""

    async def said() -> list[str]:
        return sorted(f"{word} {a.about}" for a, word in zip(*await _with_words(town), strict=True))

    raised = [f"+SERVICE_LAGS {name}" for name in SERVICES]
    resolved = [each.replace("+", "-") for each in raised]

    async def none_stands() -> bool:
        found = await said()
        return all(found.count(r) == found.count(s) for r, s in zip(raised, resolved, strict=True))

    await town.catch_up()
    await eventually(none_stands, 30)
    before = await said()
    told = paid()
    await town.tell(told)

    async def all_raised() -> bool:
        assert await said() == sorted([*before, *raised])
        return True

    async def all_resolved() -> bool:
        assert await said() == sorted([*before, *raised, *resolved])
        return True

    await eventually(all_raised, 30)
    raised_s = town.seconds_to(None, "+SERVICE_LAGS", told.told_at)
    caught_up_at = time.time()
    await town.catch_up()
    await eventually(all_resolved, 30)
    report("SERVICE_LAGS", raised_s, town.seconds_to(None, "-SERVICE_LAGS", caught_up_at))


async def _with_words(town: Town) -> tuple[list[Alert], list[str]]:
    found = await town.alerts(None)
    return found, words(found)


async def test_garbage_everywhere_is_counted_and_stops_nothing(town: Town) -> None:
    url = town.running.url("watch")
    for topic in TOPICS:
        for value in (b"", b"\xff\xfe garbage", b'{"type": "no.such-type.v1"}', b"[" * 5000):
            await town.to.send(topic.name, b"\x00key", value, ())
    told = paid()
    await town.tell(told, on("billing", "notifications"))
    await town.wait_for(told.id, "+PAID_NOT_ENTITLED")
    assert counted(url, "tenure_watch_records_total", topic="billing.events", outcome="not_json")
    assert counted(url, "tenure_watch_records_total", topic="ops.alerts", outcome="not_json")
    await town.tell(told)
    await town.wait_for(told.id, "+PAID_NOT_ENTITLED", "-PAID_NOT_ENTITLED")


async def test_a_killed_watch_tells_nothing_twice_and_knows_what_stands(town: Town) -> None:
    stands, heals = paid(), paid()
    for told in (stands, heals):
        await town.tell(told, on("billing", "notifications"))
        await town.wait_for(told.id, "+PAID_NOT_ENTITLED")
    before_kill = len(town.recording.records)
    await town.running.kill("watch")
    await town.tell(heals)
    town.running.spawn("watch")
    await town.ready()
    await town.wait_for(heals.id, "+PAID_NOT_ENTITLED", "-PAID_NOT_ENTITLED")
    # What it does next shows that it has judged everything by then.
    later = paid()
    await town.tell(later, on("billing", "notifications"))
    await town.wait_for(later.id, "+PAID_NOT_ENTITLED")
    await town.wait_for(stands.id, "+PAID_NOT_ENTITLED")
    new = [r for r in town.recording.records[before_kill:] if str(stands.id).encode() in r.value]
    assert new == []


async def test_the_command_lists_what_stands(town: Town, tmp_path: Path) -> None:
    stands, healed = paid(), paid()
    for told in (stands, healed):
        await town.tell(told, on("billing", "notifications"))
        await town.wait_for(told.id, "+PAID_NOT_ENTITLED")
    await town.tell(healed)
    await town.wait_for(healed.id, "+PAID_NOT_ENTITLED", "-PAID_NOT_ENTITLED")
    kafka = {k: v for k, v in town.stack.variables.items() if k.startswith("KAFKA_")}
    listed: dict[str, set[str]] = {}
    for words_ in ("", "--all"):
        arguments = ("alerts", "--json", *words_.split())
        done = await asyncio.to_thread(run_tenure, *arguments, state_dir=tmp_path, **kafka)
        assert done.returncode == 0, done.stderr
        found = [json.loads(line) for line in done.stdout.splitlines()]
        listed[words_] = {alert["subscription_id"] for alert in found}
    assert str(stands.id) in listed[""]
    assert str(healed.id) not in listed[""]
    assert {str(stands.id), str(healed.id)} <= listed["--all"]
    shown = await asyncio.to_thread(run_tenure, "alerts", state_dir=tmp_path, **kafka)
    assert f"tenure access {stands.id}" in shown.stdout


async def test_two_watches_tell_what_one_would_and_either_may_die(town: Town) -> None:
    """Each sees everything; what both tell at the same moment has one id."""
    (port,) = ports.free_ports(1)
    variables = {**town.running.variables, "WATCH_HTTP_PORT": str(port)}
    folder = town.running.state_dir / "second"
    folder.mkdir()
    second = Services(variables, state_dir=folder, names=(), companions={"watch": "ops.watch"})
    async with second:
        await Town(town.stack, second, town.to, town.recording).ready()
        told = paid()
        await town.tell(told, on("billing", "notifications"))

        async def raised() -> bool:
            return {a.code for a in await town.alerts(told.id)} == {"PAID_NOT_ENTITLED"}

        await eventually(raised, 30)
        await town.running.kill("watch")
        await town.tell(told)

        async def resolved() -> bool:
            return "-PAID_NOT_ENTITLED" in words(await town.alerts(told.id))

        await eventually(resolved, 30)
        found = await town.alerts(told.id)
        assert len({a.alert_id for a in found}) == 1
        assert len(words(found)) <= 3  # raised by one or both, resolved by the one that lives
    town.running.spawn("watch")
    await town.ready()
