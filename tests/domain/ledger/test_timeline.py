"""The timeline: which status holds from when (T8 to T21, Q8 to Q11, Q15), with half-open bounds (Q2)."""

from datetime import timedelta
from typing import Any

import pytest

from ledger.access import StageAccess, access_of, holds_until, position_at
from ledger.history import History
from ledger.stage import Stage
from tests.domain.ledger.histories import named, period, stages, taken, timeline_of, will
from tests.support.story import utc

P1 = period("2024-06-15", "2025-06-15")
P2 = period("2025-06-15", "2026-06-15", paid="2025-06-01")
DAY = timedelta(days=1)
NONE = timedelta(0)
#: Grace P7D from 2025-06-15, hold P30D from 2025-06-22, over on 2025-07-22.
GRACE = ("grace", "2025-06-15")
HOLD = ("hold", "2025-06-22")
START = ("active", "2024-06-15")


def test_nothing_paid_is_no_stage() -> None:
    assert stages() == []


@pytest.mark.parametrize(
    ("policy", "after"),
    [
        ({}, [GRACE, HOLD, ("expired lapsed", "2025-07-22")]),
        ({"hold": NONE}, [GRACE, ("expired lapsed", "2025-06-22")]),
        ({"grace": NONE}, [("hold", "2025-06-15"), ("expired lapsed", "2025-07-15")]),
        ({"grace": NONE, "hold": NONE}, [("expired lapsed", "2025-06-15")]),
        ({"grace": 14 * DAY, "hold": NONE}, [GRACE, ("expired lapsed", "2025-06-29")]),
    ],
    ids=["T10 T13 T15", "T10 grace only", "T11 hold only", "T11 S-14 at once", "S-14 length"],
)
def test_an_unpaid_end_passes_through_grace_and_hold(
    policy: dict[str, Any], after: list[tuple[str, str]]
) -> None:
    assert stages(P1, **policy) == [START, *after]


def test_the_next_paid_period_follows_without_a_gap() -> None:
    """T8, S-35."""
    told = stages(P1, P2)
    assert told[:3] == [START, ("active", "2025-06-15"), ("grace", "2026-06-15")]


@pytest.mark.parametrize(
    ("paid", "between"),
    [
        ("2025-06-14T23:59", []),
        ("2025-06-15", []),
        ("2025-06-15T00:01", [GRACE]),
        ("2025-06-21T23:59", [GRACE]),
    ],
)
def test_a_payment_in_grace_starts_at_the_old_end_but_entitles_from_its_instant(
    paid: str, between: list[tuple[str, str]]
) -> None:
    """S-14b, T12."""
    late = period("2025-06-15", "2026-06-15", paid=paid)
    begins = max(paid, "2025-06-15")
    assert stages(P1, late)[:-3] == [START, *between, ("active", begins)]


def test_the_reason_is_payment_failed_when_money_was_asked_for() -> None:
    """Q8."""
    assert stages(P1, charged=("2024-06-15",))[-1] == ("expired payment_failed", "2025-07-22")


@pytest.mark.parametrize(
    ("at", "after"),
    [
        ("2025-06-14", [("expired canceled", "2025-06-15")]),
        ("2025-06-15", [("expired canceled", "2025-06-15")]),
        ("2025-06-16", [GRACE, ("expired canceled", "2025-06-16")]),
        ("2025-06-22", [GRACE, ("expired canceled", "2025-06-22")]),
        ("2025-07-21", [GRACE, HOLD, ("expired canceled", "2025-07-21")]),
        ("2025-07-22", [GRACE, HOLD, ("expired lapsed", "2025-07-22")]),
    ],
    ids=["T9", "exactly at the end", "Q15 in grace", "at the hold", "Q15 in hold", "too late"],
)
def test_a_cancellation_by_its_instant(at: str, after: list[tuple[str, str]]) -> None:
    assert stages(P1, wills=(will(at, "canceled"),)) == [START, *after]


def test_a_cancellation_in_grace_may_wait_for_its_end() -> None:
    """Q15: `at_grace_end`."""
    canceled = (will("2025-06-16", "canceled"),)
    told = stages(P1, wills=canceled, cancel_in_grace="at_grace_end")
    assert told == [START, GRACE, ("expired canceled", "2025-06-22")]


def test_withdrawing_later_does_not_undo_an_end_that_took_effect() -> None:
    wills = (will("2025-06-16", "canceled"), will("2025-08-01", "withdrawn"))
    again = period("2025-07-30", "2026-07-30")
    told = stages(P1, again, wills=wills)
    assert told[:4] == [
        START,
        GRACE,
        ("expired canceled", "2025-06-16"),
        ("active", "2025-07-30"),
    ]


def test_a_cancellation_that_was_withdrawn_before_the_end_changes_nothing() -> None:
    """T17."""
    wills = (will("2025-06-01", "canceled"), will("2025-06-02", "withdrawn"))
    assert stages(P1, wills=wills) == stages(P1)


@pytest.mark.parametrize(
    ("one", "two"), [("canceled", "withdrawn"), ("withdrawn", "canceled")], ids=["c, w", "w, c"]
)
def test_at_one_instant_a_cancellation_counts_before_its_withdrawal(one: str, two: str) -> None:
    """Q2: by rank, whatever the ids and the order of arrival."""
    wills = tuple(will("2025-06-01", reason) for reason in (one, two))  # type: ignore[arg-type]
    assert stages(P1, wills=wills) == stages(P1)


def test_a_refund_of_the_current_period_ends_it_at_once() -> None:
    """S-47, T18; 14: no grace after a refund."""
    refunded = period("2024-06-15", "2025-06-15", taken=taken("2024-07-01"))
    assert stages(refunded) == [START, ("expired refunded", "2024-07-01")]


@pytest.mark.parametrize("at", ["2025-06-10", "2025-06-14T23:59"])
def test_a_voided_next_period_leaves_the_current_one_until_its_end(at: str) -> None:
    """S-48, T19."""
    gone = taken(at, "refunded_renewal", upcoming=True)
    voided = period("2025-06-15", "2026-06-15", paid="2025-06-01", taken=gone)
    assert stages(P1, voided) == [START, ("expired refunded_renewal", "2025-06-15")]


def test_a_refund_initiated_exactly_at_the_start_never_enters_grace() -> None:
    """Q10, 14: the request came before, the approval at t = start."""
    gone = taken("2025-06-15", "refunded_renewal")
    revoked = period("2025-06-15", "2026-06-15", paid="2025-06-01", taken=gone)
    assert stages(P1, revoked) == [START, ("expired refunded_renewal", "2025-06-15")]


@pytest.mark.parametrize(
    ("back", "after"),
    [
        ("2025-06-12", [("active", "2025-06-15")]),
        ("2025-06-15", [("active", "2025-06-15")]),
        ("2025-06-20", [("expired refunded_renewal", "2025-06-15"), ("active", "2025-06-20")]),
    ],
)
def test_a_refund_that_failed_reinstates_the_next_period(
    back: str, after: list[tuple[str, str]]
) -> None:
    """Q11, T21: upcoming, or current if its start has passed."""
    gone = taken("2025-06-10", "refunded_renewal", upcoming=True, back=back)
    reinstated = period("2025-06-15", "2026-06-15", paid="2025-06-01", taken=gone)
    told = stages(P1, reinstated)
    assert told[: len(after) + 1] == [START, *after]
    assert told[-3][0] == "grace"


def test_a_refund_that_failed_gives_the_current_period_back() -> None:
    """T21."""
    gone = taken("2024-07-01", back="2024-07-10")
    told = stages(period("2024-06-15", "2025-06-15", taken=gone))
    assert told[:3] == [START, ("expired refunded", "2024-07-01"), ("active", "2024-07-10")]


@pytest.mark.parametrize(
    ("at", "after"),
    [
        ("2025-06-15", [("expired refunded", "2025-06-15")]),
        ("2025-06-18", [GRACE, ("expired refunded", "2025-06-18")]),
        ("2025-06-30", [GRACE, HOLD, ("expired refunded", "2025-06-30")]),
    ],
)
def test_a_refund_in_grace_or_hold_expires_at_once(at: str, after: list[tuple[str, str]]) -> None:
    """S-14e, Q9."""
    refunded = period("2024-06-15", "2025-06-15", taken=taken(at))
    assert stages(refunded) == [START, *after]


def test_a_refund_in_grace_that_failed_gives_back_what_is_left_of_grace() -> None:
    """Q11: what was told about the days between stays true."""
    gone = taken("2025-06-17", back="2025-06-19")
    told = stages(period("2024-06-15", "2025-06-15", taken=gone))
    assert told == [
        START,
        GRACE,
        ("expired refunded", "2025-06-17"),
        ("grace", "2025-06-19"),
        HOLD,
        ("expired lapsed", "2025-07-22"),
    ]


def test_a_shorter_period_bought_after_a_refund_ends_by_its_own_rules() -> None:
    """The refunded year would have ended later, but it is the month that ended."""
    refunded = period("2024-06-15", "2025-06-15", taken=taken("2024-07-01"))
    month = period("2024-08-01", "2024-09-01")
    assert stages(refunded, month) == [
        START,
        ("expired refunded", "2024-07-01"),
        ("active", "2024-08-01"),
        ("grace", "2024-09-01"),
        ("hold", "2024-09-08"),
        ("expired lapsed", "2024-10-08"),
    ]


def test_an_unlimited_period_goes_on() -> None:
    """S-08."""
    assert stages(period("2024-06-15", None)) == [START]
    gone = taken("2024-07-01")
    assert stages(period("2024-06-15", None, taken=gone))[1:] == [
        ("expired refunded", "2024-07-01")
    ]


def access_by(told: tuple[Stage, ...], instant: str) -> StageAccess | None:
    position = position_at(told, utc(instant))
    return None if position is None else access_of(told[position], holds_until(told, position))


def state(told: tuple[Stage, ...], instant: str) -> str | None:
    access = access_by(told, instant)
    return access.state if access else None


@pytest.mark.parametrize(
    ("instant", "expected"),
    [
        ("2024-06-14T23:59:59.999999", None),
        ("2024-06-15", "active"),
        ("2025-06-14T23:59:59.999999", "active"),
        ("2025-06-15", "grace"),
        ("2025-06-21T23:59:59.999999", "grace"),
        ("2025-06-22", "suspended"),
        ("2025-07-21T23:59:59.999999", "suspended"),
        ("2025-07-22", "expired"),
    ],
)
def test_at_exactly_an_end_the_next_stage_holds(instant: str, expected: str | None) -> None:
    """Q2, 3e: all bounds are half-open."""
    assert state(timeline_of(P1), instant) == expected


@pytest.mark.parametrize(
    ("product", "instant", "on"),
    [
        ("update", "2025-06-14", "updates reputation protection scan"),
        ("update", "2025-06-16", "updates reputation protection scan"),
        ("update", "2025-06-23", "protection scan"),
        ("update", "2025-08-01", "protection scan"),
        ("update-and-protection", "2025-06-14", "updates reputation protection scan"),
        ("update-and-protection", "2025-06-16", "updates reputation protection scan"),
        ("update-and-protection", "2025-06-23", ""),
        ("update-and-protection", "2025-08-01", ""),
    ],
)
def test_what_works_by_product_and_status(product: str, instant: str, on: str) -> None:
    """S-07, S-13."""
    told = timeline_of(period("2024-06-15", "2025-06-15", product=product))  # type: ignore[arg-type]
    access = access_by(told, instant)
    assert access
    works = access.capabilities
    assert on.split() == [
        name
        for name, works_now in (
            ("updates", works.database_updates),
            ("reputation", works.cloud_reputation),
            ("protection", works.protection),
            ("scan", works.scan),
        )
        if works_now
    ]


def test_valid_until_reaches_to_the_end_of_unbroken_paid_time() -> None:
    """Q22."""
    access = access_by(timeline_of(P1, P2), "2025-01-01")
    assert access
    assert access.valid_until == utc("2026-06-15")


@pytest.mark.parametrize(
    ("product", "gone", "expected"),
    [
        ("update", None, "limited"),
        ("update-and-protection", None, "expired"),
        ("update", taken("2024-07-01"), "revoked"),
        ("update-and-protection", taken("2024-07-01"), "revoked"),
    ],
)
def test_the_state_after_the_end(product: str, gone: object, expected: str) -> None:
    ended = period("2024-06-15", "2025-06-15", product=product, taken=gone)  # type: ignore[arg-type]
    assert state(timeline_of(ended), "2026-01-01") == expected


@pytest.mark.parametrize(
    ("instant", "since"), [("2024-08-20", "2024-08-01"), ("2024-09-02", "2024-08-15")]
)
def test_taken_again_before_it_was_given_back_the_first_taking_has_it(
    instant: str, since: str
) -> None:
    """Q11: what takes it again counts once the first was undone."""
    twice = P1.take(taken("2024-08-01", back="2024-09-01")).take(taken("2024-08-15"))
    away = twice.taking_at(utc(instant))
    assert away
    assert away.at == utc(since)


def test_the_same_taking_told_again_replaces_itself() -> None:
    once = P1.take(taken("2024-08-01"))
    assert once.take(taken("2024-08-01")).takings == once.takings


def test_a_refund_at_the_end_of_hold_comes_after_the_end() -> None:
    """Q2, Q9: at one instant the end counts first."""
    refunded = period("2024-06-15", "2025-06-15", taken=taken("2025-07-22"))
    assert stages(refunded) == [START, GRACE, HOLD, ("expired lapsed", "2025-07-22")]


def test_what_was_charged_is_kept_by_the_fact_that_told_it() -> None:
    """Q8: every period that money was asked for after; one fact tells of one only."""
    told = (
        History().with_charged(named("one"), P1.period_id).with_charged(named("two"), P2.period_id)
    )
    assert told.was_charged(P1.period_id)
    assert told.was_charged(P2.period_id)
    corrected = told.with_charged(named("one"), P2.period_id)
    assert not corrected.was_charged(P1.period_id)
    assert corrected.was_charged(P2.period_id)


def test_a_refund_in_grace_that_failed_after_all_was_over_leaves_the_end_as_it_was() -> None:
    """Q9, Q11: nothing is left that could be given back."""
    told = stages(period("2024-06-15", "2025-06-15", taken=taken("2025-06-18", back="2025-08-01")))
    assert told[:3] == [START, GRACE, ("expired refunded", "2025-06-18")]
    assert {status for status, _ in told[3:]} <= {"expired refunded"}
