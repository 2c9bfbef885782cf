"""`tenure audit` on the real stack: nothing while all is well, then each planted corruption where it is.

The services live a year and stop. What is planted then: rows changed by SQL in a database of its own,
records on topics of an own prefix. Nothing had to be planted by editing gathered evidence.
"""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
import pytest_asyncio

from contracts.values import subscription_id
from devstack.behaviour import DECLINES, Behaviour, Customer
from devstack.payments import add_customers
from ops.audit.dossier import Dossier
from ops.audit.invariants import INVARIANTS
from ops.audit.run import Report, audit
from ops.clock import VirtualClock
from ops.supervisor import Services, free_ports
from ops.up import SIMULATOR, prepare
from policies import load_policies
from tests.ops import planted
from tests.ops.planted import DAY, Plant, Saboteur
from tests.ops.running import run_tenure
from tests.support.worker_stack import START, WorkerStack

pytestmark = [pytest.mark.xdist_group("audit"), pytest.mark.timeout(300)]

_ORDERED = START + timedelta(hours=1)
_OVER = _ORDERED + 410 * DAY
#: Renewed and in its second year at the end, unless it says otherwise.
_USUAL = Customer("online-store", "", "Ann Lee", "", _ORDERED)


def _lapses(customer: Customer) -> Customer:
    return replace(customer, behaviour=Behaviour(charges=(DECLINES,)))


def _renewed_ahead(customer: Customer) -> Customer:
    """Charged already, its second year has not begun."""
    return replace(customer, ordered_at=_OVER - 360 * DAY)


def _canceled_and_refunded(customer: Customer) -> Customer:
    """Both at the provider, the refund first by its content and second by its time."""
    at, money = customer.ordered_at, {"minor": 4999, "currency": "EUR"}
    refund = {"order_id": f"{customer.reference}-1", "amount": money, "full": True}
    return replace(
        customer,
        later=(
            (at + 10 * DAY, "payments.cancellation-requested.v1", {"channel": "provider"}),
            (at + 12 * DAY, "payments.refund-succeeded.v1", refund),
        ),
    )


#: By invariant: what is planted, in which life, and the code under which it is found.
_PLANTED: Mapping[str, tuple[tuple[Plant, object, str], ...]] = {
    "1": ((planted.access_without_cause, _lapses, "ENTITLED_NOT_PAID"),),
    "2": ((planted.paid_but_suspended, None, "PAID_NOT_ENTITLED"),),
    "3": ((planted.overlapping_periods, None, "PERIODS_OVERLAP"),),
    "4": ((planted.upcoming_after_a_gap, _renewed_ahead, "UPCOMING_ELSEWHERE"),),
    "5": ((planted.second_charge, None, "CHARGED_TWICE"),),
    "6": ((planted.cancellation_before_the_paid_end, None, "CANCEL_SHORTENED"),),
    "7": ((planted.longer_without_pause, None, "DAYS_NOT_CONSERVED"),),
    "10": ((planted.second_mail, None, "MAILED_TWICE"),),
    "11": ((planted.cancel_and_refund_swapped, _canceled_and_refunded, "CANCEL_AND_REFUND"),),
    "12": (
        (planted.facts_swapped, None, "FACTS_IN_ANOTHER_ORDER"),
        (planted.forgotten_payment, None, "MESSAGE_NOT_KEPT"),
    ),
    "13": ((planted.announced_when_the_timer_fired, _lapses, "ANNOUNCED_OTHERWISE"),),
    "14": ((planted.grace_after_a_refund, _canceled_and_refunded, "GRACE_AFTER_REFUND"),),
    "periods": ((planted.another_price, None, "PERIODS_DISAGREE"),),
    "cache": ((planted.stale_cache, None, "ENTITLEMENT_STALE"),),
    "sequences": ((planted.lost_message, None, "SEQUENCE_GAP"),),
    "payments": ((planted.payment_told_twice, None, "PAYMENT_NOT_ANSWERED_ONCE"),),
    "ledger": ((planted.mail_ended_otherwise, None, "MAIL_TOLD_OTHERWISE"),),
    "readable": ((planted.spoilt_fact, None, "UNREADABLE"),),
    "progress": ((planted.overdue, None, "STUCK"),),
}
_ALL = [(name, *each) for name, several in _PLANTED.items() for each in several]


def _reference(plant: Plant) -> str:
    return plant.__name__.replace("_", "-")


def _id(plant: Plant) -> UUID:
    return subscription_id("online-store", _reference(plant))


def _customers() -> list[Customer]:
    found = [replace(_USUAL, reference="untouched")]
    for _, plant, live, _ in _ALL:
        customer = replace(_USUAL, reference=_reference(plant))
        found.append(live(customer) if callable(live) else customer)
    return [replace(each, email=f"{each.reference}@example.com") for each in found]


@pytest_asyncio.fixture(scope="module")
async def town(stack: WorkerStack) -> AsyncIterator[WorkerStack]:
    """A database and topics of its own, on which everybody has lived and nothing runs any more."""
    made = stack.with_prefix(f"{stack.prefix}audit-", f"{stack.name}_audit")
    folder = stack.folder / "audit"
    folder.mkdir()
    await made.create_database(made.name, "template1")
    await prepare(made.variables, simulator=True)
    async with VirtualClock(made.ops, exclusive=False) as clock:
        await clock.ensure_set(START)
    async with made.connect("simulator") as connection:
        await add_customers(connection, _customers())
    running = Services(made.variables, state_dir=folder, ports=free_ports(), companions=SIMULATOR)
    async with running, VirtualClock(made.ops) as clock:
        await clock.advance(_OVER, timeout_s=60)
    yield made
    await made.drop_database(made.name)


async def _audited(town: WorkerStack) -> tuple[Report, dict[UUID, Dossier]]:
    seen: dict[UUID, Dossier] = {}

    def keep(dossier: Dossier, done: int, total: int) -> None:
        seen[dossier.subscription_id] = dossier

    report = await audit(town.ops, load_policies(), on_judged=keep, pause_s=0.05)
    return report, seen


@pytest_asyncio.fixture(scope="module")
async def before(town: WorkerStack) -> tuple[Report, dict[UUID, Dossier]]:
    return await _audited(town)


@pytest_asyncio.fixture(scope="module")
async def after(town: WorkerStack, before: tuple[Report, dict[UUID, Dossier]]) -> Report:
    async with Saboteur(town) as saboteur:
        for _, plant, _, _ in _ALL:
            await plant(saboteur, before[1][_id(plant)])
        await planted.dead_letter(saboteur)
    return (await _audited(town))[0]


def test_nothing_is_found_while_all_is_well(before: tuple[Report, dict[UUID, Dossier]]) -> None:
    report, seen = before
    assert report.findings.violations == []
    assert (report.moving, report.subscriptions) == (0, len(_ALL) + 1)
    assert len(seen) == report.subscriptions
    # Each invariant had something to look at; nobody looked into the mailbox, and nothing waits.
    unchecked = {each.name for each in INVARIANTS if not report.findings.checked[each.name]}
    assert unchecked == {"8", "9", "copies"}


@pytest.mark.parametrize(
    ("name", "plant", "live", "code"), _ALL, ids=lambda v: getattr(v, "__name__", None)
)
def test_a_planted_corruption_is_found(
    after: Report, name: str, plant: Plant, live: object, code: str
) -> None:
    found = [v for v in after.findings.violations if v.subscription_id == str(_id(plant))]
    assert (name, code) in {(violation.invariant, violation.code) for violation in found}


def test_each_invariant_has_its_corruption() -> None:
    planned = {each.name for each in INVARIANTS if each.check} | {"progress"}
    # What needs no SQL and no record is tried on evidence in memory (test_audit_checks.py).
    assert planned - set(_PLANTED) == {"requests", "confirmed", "copies"}


def test_a_dead_letter_is_found(after: Report) -> None:
    found = [v.sentence for v in after.findings.violations if v.code == "DEAD_LETTERS"]
    assert found == ["1 dead letters of notifications wait for an operator."]


def test_nobody_else_is_blamed(after: Report) -> None:
    spoilt = {str(_id(plant)) for _, plant, _, _ in _ALL}
    # A dead letter is nobody's yet.
    blamed = {violation.subscription_id for violation in after.findings.violations}
    assert blamed == spoilt | {""}


def test_a_violation_says_where_to_look(after: Report) -> None:
    wanted = str(_id(planted.second_charge))
    found = next(
        v.to_json()
        for v in after.findings.violations
        if (v.subscription_id, v.invariant) == (wanted, "5")
    )
    assert len(found["event_ids"]) == 2
    assert found["command"] == f"tenure timeline {wanted}"


def test_the_command_is_content_with_one_that_is_well(after: Report, town: WorkerStack) -> None:
    done = run_tenure("audit", "untouched", state_dir=town.folder, **town.variables)
    assert done.returncode == 0, done.stderr
    assert "1 subscriptions" in done.stdout
    assert "0 violations" in done.stdout
    assert "comes with devices" in done.stdout


def test_the_command_fails_and_tells_what_it_found(after: Report, town: WorkerStack) -> None:
    reference = f"online-store/{_reference(planted.second_charge)}"
    done = run_tenure("audit", reference, "--json", state_dir=town.folder, **town.variables)
    assert done.returncode == 1
    assert done.stderr == "tenure: The audit found 2 violations.\n"
    report = json.loads(done.stdout)
    assert (report["subscriptions"], report["violations"]) == (1, 2)
    # Licensing never heard of it.
    assert {v["code"] for v in report["found"]} == {"CHARGED_TWICE", "HISTORY_DIFFERS"}


def test_the_command_suggests_what_may_be_meant(after: Report, town: WorkerStack) -> None:
    done = run_tenure("audit", "untuched", state_dir=town.folder, **town.variables)
    assert done.returncode == 3
    assert "Did you mean untouched?" in done.stderr
