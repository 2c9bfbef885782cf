"""What interrupts paid time or follows its end: pauses, disputed money, unanswered charges (Q7, Q17, T22)."""

from typing import Any

import pytest

from contracts.values import PauseMode
from ledger.history import History, PaidPeriod
from ledger.open_money import Asked, Dispute
from ledger.pauses import Pause
from ledger.seats import SeatChange
from ledger.shifts import extended, postponed
from ledger.timeline import timeline
from tests.domain.ledger.histories import PACK, named, period, taken, will
from tests.domain.ledger.test_timeline import DAY, NONE, P1, P2
from tests.support.story import utc

END = "2025-06-15"
START = ("active", "2024-06-15", END)


def pause(at: str, until: str, mode: PauseMode, ended: str | None = None) -> Pause:
    """A pause; one at the period end follows P1."""
    return Pause(
        fact_id=named(f"pause {at}"),
        mode=mode,
        at=utc(at),
        resumes_at=utc(until),
        follows=P1.period_id if mode == "at_period_end" else None,
        ended_at=utc(ended) if ended else None,
    )


def asked(at: str, closed: str | None = None) -> Asked:
    """A charge for what follows P1."""
    return Asked(named(f"asked {at}"), P1.period_id, utc(at), utc(closed) if closed else None)


def dispute(at: str, closed: str | None = None, of: PaidPeriod = P1) -> Dispute:
    """A dispute about a period."""
    closed_at = utc(closed) if closed else None
    return Dispute(named(f"dispute {at}"), f"D {at}", of.period_id, utc(at), closed_at)


def history(*things: Any) -> History:
    """A history of periods, pauses, charges, disputes and wills; renewal is on."""
    told = History().with_will(will("2020-01-01", "ordered"))
    for thing in things:
        match thing:
            case PaidPeriod():
                told = told.with_period(thing)
            case Pause():
                told = told.with_pause(thing)
            case Asked():
                told = told.with_asked(thing)
            case Dispute():
                told = told.with_dispute(thing)
            case _:
                told = told.with_will(thing)
    return told


def stages(*things: Any, **policy: Any) -> list[tuple[str, str, str | None]]:
    """The timeline as status (with `usable` or reason), start and end; under the pack with `policy` changed."""
    pack = PACK.model_copy(update=policy)
    return [
        (
            " ".join(filter(None, (stage.status, "usable" if stage.usable else "", stage.reason))),
            short(stage.start),
            short(stage.ends_at) if stage.ends_at else None,
        )
        for stage in timeline(history(*things), lambda version: pack)
    ]


def short(instant: Any) -> str:
    return f"{instant:%Y-%m-%dT%H:%M}".removesuffix("T00:00")


LAPSED = [
    ("grace", END, "2025-06-22"),
    ("hold", "2025-06-22", "2025-07-22"),
    ("expired lapsed", "2025-07-22", None),
]


@pytest.mark.parametrize("mode", ["freeze_term", "run_term"])
def test_an_immediate_pause_lies_inside_paid_time(mode: PauseMode) -> None:
    """T23, T25."""
    assert stages(P1, pause("2024-07-01", "2024-08-01", mode)) == [
        START,
        ("paused", "2024-07-01", "2024-08-01"),
        ("active", "2024-08-01", END),
        *LAPSED,
    ]


def test_a_pause_that_was_resumed_at_once_never_is() -> None:
    assert stages(P1, pause("2024-07-01", "2024-08-01", "run_term", "2024-07-01")) == stages(P1)


def test_an_early_resumption_ends_a_pause() -> None:
    resumed = pause("2024-07-01", "2024-08-01", "run_term", "2024-07-11")
    assert stages(P1, resumed)[1:3] == [
        ("paused", "2024-07-01", "2024-07-11"),
        ("active", "2024-07-11", END),
    ]


@pytest.mark.parametrize(
    ("until", "between"),
    [
        ("2024-08-01", [("paused usable", "2024-07-01", "2024-07-04"),
                        ("paused", "2024-07-04", "2024-08-01")]),
        ("2024-07-03", [("paused usable", "2024-07-01", "2024-07-03")]),
    ],
)  # fmt: skip
def test_the_first_days_of_a_pause_may_be_usable(until: str, between: list[Any]) -> None:
    """1e: pause_grace."""
    told = stages(P1, pause("2024-07-01", until, "run_term"), pause_grace=3 * DAY)
    assert told[1 : 1 + len(between)] == between


def test_a_running_term_goes_on_in_the_next_period() -> None:
    """Q17: the bounds stay; a stage ends where its period ends."""
    assert stages(P1, P2, pause("2025-06-01", "2025-07-01", "run_term"))[:5] == [
        START,
        ("paused", "2025-06-01", END),
        ("paused", END, "2025-07-01"),
        ("active", "2025-07-01", "2026-06-15"),
        ("grace", "2026-06-15", "2026-06-22"),
    ]


@pytest.mark.parametrize(
    ("until", "after"),
    [
        ("2025-06-15", LAPSED),
        ("2025-06-20", [("paused", END, "2025-06-20"), ("grace", "2025-06-20", "2025-06-22"),
                        *LAPSED[1:]]),
        ("2025-07-01", [("paused", END, "2025-06-22"), *LAPSED[1:]]),
    ],
)  # fmt: skip
def test_a_running_term_that_ends_unpaid_has_no_usable_grace(until: str, after: list[Any]) -> None:
    """Q17, T26."""
    assert stages(P1, pause("2025-06-01", until, "run_term"))[2:] == after


def test_a_running_term_without_grace_ends_at_its_end() -> None:
    """T26, S-14."""
    told = stages(P1, pause("2025-06-01", "2025-07-01", "run_term"), grace=NONE, hold=NONE)
    assert told[-1] == ("expired lapsed", END, None)


def test_a_pause_at_the_end_wins_over_grace_and_is_followed_by_it() -> None:
    """Q17: T10 to T11 at the resumption."""
    assert stages(P1, pause("2024-07-01", "2025-07-15", "at_period_end")) == [
        START,
        ("paused", END, "2025-07-15"),
        ("grace", "2025-07-15", "2025-07-22"),
        ("hold", "2025-07-22", "2025-08-21"),
        ("expired lapsed", "2025-08-21", None),
    ]


def test_a_pause_at_the_end_may_begin_usable() -> None:
    told = stages(P1, pause("2024-07-01", "2025-07-15", "at_period_end"), pause_grace=3 * DAY)
    assert told[1:3] == [
        ("paused usable", END, "2025-06-18"),
        ("paused", "2025-06-18", "2025-07-15"),
    ]


P2_LATER = period("2025-07-15", "2026-07-15", paid="2025-06-01")


def test_a_paid_period_behind_a_pause_starts_at_its_end() -> None:
    """T24."""
    assert stages(P1, P2_LATER, pause("2024-07-01", "2025-07-15", "at_period_end"))[:3] == [
        START,
        ("paused", END, "2025-07-15"),
        ("active", "2025-07-15", "2026-07-15"),
    ]


@pytest.mark.parametrize(
    ("at", "policy", "after"),
    [
        ("2025-06-01", {}, [("paused", END, "2025-07-15"), ("expired canceled", "2025-07-15", None)]),
        ("2025-06-20", {}, [("paused", END, "2025-07-15"), ("expired canceled", "2025-06-20", None)]),
        ("2025-06-20", {"cancel_in_grace": "at_grace_end"},
         [("paused", END, "2025-07-15"), ("expired canceled", "2025-07-15", None)]),
    ],
    ids=["before it", "in it", "in it, at its end"],
)  # fmt: skip
def test_a_cancellation_around_a_pause_at_the_end(
    at: str, policy: dict[str, Any], after: list[Any]
) -> None:
    """Q15, Q17."""
    paused = pause("2024-07-01", "2025-07-15", "at_period_end")
    assert stages(P1, paused, will(at, "canceled"), **policy)[1:] == after


def test_a_cancellation_in_a_pause_leaves_the_paid_period_behind_it() -> None:
    """6."""
    paused = pause("2024-07-01", "2025-07-15", "at_period_end")
    assert stages(P1, P2_LATER, paused, will("2025-06-20", "canceled"))[1:] == [
        ("paused", END, "2025-07-15"),
        ("active", "2025-07-15", "2026-07-15"),
        ("expired canceled", "2026-07-15", None),
    ]


def test_a_cancellation_in_a_pause_whose_paid_period_was_taken_away_before_ends_it() -> None:
    gone = period(
        "2025-07-15", "2026-07-15", paid="2025-06-01",
        taken=taken("2025-06-10", "refunded_renewal", upcoming=True),
    )  # fmt: skip
    paused = pause("2024-07-01", "2025-07-15", "at_period_end")
    told = stages(P1, gone, paused, will("2025-06-20", "canceled"))
    assert told[-1] == ("expired canceled", "2025-06-20", None)


def test_a_refund_in_a_pause_at_the_end_expires_at_once() -> None:
    """Q9."""
    gone = period("2024-06-15", END, taken=taken("2025-06-20"))
    told = stages(gone, pause("2024-07-01", "2025-07-15", "at_period_end", "2025-06-20"))
    assert told[1:] == [("paused", END, "2025-06-20"), ("expired refunded", "2025-06-20", None)]


# unanswered charges


@pytest.mark.parametrize(
    ("charge", "expired"),
    [
        (asked("2025-06-01"), "2025-06-16"),
        (asked("2025-06-01", "2025-06-15T06:00"), "2025-06-15T06:00"),
        (asked("2025-06-01", "2025-06-14"), END),
        (asked("2025-06-15"), END),
    ],
    ids=["never answered", "answered late", "answered before", "asked at the end"],
)
def test_without_grace_the_status_stays_until_the_answer(charge: Asked, expired: str) -> None:
    """Q7: for 24 hours at most, and then the end counts as of the end."""
    policy = {"grace": NONE, "hold": NONE}
    assert stages(P1, charge, **policy) == [START, ("expired lapsed", expired, None)]
    told = timeline(history(P1, charge), lambda version: PACK.model_copy(update=policy))
    assert told[-1].anchor == utc(END)


def test_with_grace_nothing_is_kept() -> None:
    """Q7."""
    assert stages(P1, asked("2025-06-01")) == stages(P1)


def test_the_hold_after_an_answer_counts_from_the_end() -> None:
    assert stages(P1, asked("2025-06-01"), grace=NONE)[1:] == [
        ("hold", "2025-06-16", "2025-07-15"),
        ("expired lapsed", "2025-07-15", None),
    ]


def test_the_gap_lies_where_a_pause_at_the_end_ends() -> None:
    """Q7, Q17."""
    paused = pause("2024-07-01", "2025-07-15", "at_period_end")
    assert stages(P1, paused, asked("2025-07-01"), grace=NONE, hold=NONE)[1:] == [
        ("paused", END, "2025-07-15"),
        ("active", "2025-07-15", "2025-07-16"),
        ("expired lapsed", "2025-07-16", None),
    ]


# disputes


@pytest.mark.parametrize(
    ("held", "closed", "between"),
    [
        (True, "2024-08-01", [("hold", "2024-07-01", None), ("active", "2024-08-01", END)]),
        (True, "2024-07-01", []),
        (False, None, []),
    ],
    ids=["decided", "decided before it was heard of", "not held"],
)
def test_an_open_dispute_holds_where_the_provider_wants_it(
    held: bool, closed: str | None, between: list[Any]
) -> None:
    """T22."""
    told = stages(P1, dispute("2024-07-01", closed), hold_on_dispute=held)
    assert told == [START, *between, *LAPSED]


@pytest.mark.parametrize(
    ("opened", "closed", "told"),
    [
        (
            "2024-07-01",
            None,
            [START, ("hold", "2024-07-01", None), ("hold", END, None), *LAPSED[1:]],
        ),
        (
            "2024-07-01",
            "2025-06-17",
            [
                START,
                ("hold", "2024-07-01", None),
                ("hold", END, None),
                ("grace", "2025-06-17", "2025-06-22"),
                *LAPSED[1:],
            ],
        ),
        (
            "2025-06-16",
            "2025-07-01",
            [START, LAPSED[0], ("hold", "2025-06-16", None), *LAPSED[1:]],
        ),
    ],
    ids=["open", "decided in grace", "opened in grace"],
)
def test_an_open_dispute_takes_the_place_of_grace(
    opened: str, closed: str | None, told: list[Any]
) -> None:
    """T22: the end of its period gives nothing back; hold and expiry come when they are due."""
    assert stages(P1, dispute(opened, closed), hold_on_dispute=True) == told


def test_a_dispute_about_another_period_holds_nothing() -> None:
    assert stages(P1, P2, dispute("2024-07-01", of=P2), hold_on_dispute=True)[:2] == [
        START,
        ("hold", END, None),
    ]


def test_a_pause_hides_a_dispute_that_goes_on_after_it() -> None:
    told = stages(
        P1,
        dispute("2024-07-10"),
        pause("2024-07-01", "2024-08-01", "run_term"),
        hold_on_dispute=True,
    )
    assert told[1:3] == [("paused", "2024-07-01", "2024-08-01"), ("hold", "2024-08-01", None)]


# shifts and seats


def test_a_longer_period_pushes_all_that_lies_behind_it() -> None:
    """4."""
    gone = period("2026-06-15", "2027-06-15", paid="2025-06-02", taken=taken("2025-06-03"))
    moved = extended(history(P1, P2, gone), P1, 10 * DAY)
    assert [(short(p.start), short(p.end)) for p in moved.periods] == [
        ("2024-06-15", "2025-06-25"),
        ("2025-06-25", "2026-06-25"),
        ("2026-06-25", "2027-06-25"),
    ]
    assert [p.shift for p in moved.periods] == [10 * DAY] * 3


def test_an_earlier_period_stays_where_it_is() -> None:
    assert extended(history(P1, P2), P2, DAY).periods[0] == P1


@pytest.mark.parametrize(
    ("days", "start"), [(10, "2025-07-15"), (30, "2025-07-15"), (40, "2025-07-25")]
)
def test_a_longer_period_shortens_the_pause_at_its_end(days: int, start: str) -> None:
    """What lies behind the pause moves only when nothing is left of it."""
    before = history(P1, P2_LATER, pause("2024-07-01", "2025-07-15", "at_period_end"))
    moved = extended(before, P1, days * DAY)
    assert short(moved.periods[1].start) == start


def test_what_lies_behind_is_postponed_once() -> None:
    moved = postponed(history(P1, P2), P1, utc("2025-07-15"))
    assert [short(p.start) for p in moved.periods] == ["2024-06-15", "2025-07-15"]
    assert postponed(moved, P1, utc("2025-07-15")) == moved
    assert postponed(moved, P1, utc("2025-07-01")) == moved


def test_an_open_period_has_nothing_to_move() -> None:
    open_end = period("2024-06-15", None)
    assert extended(history(open_end), open_end, DAY) == history(open_end)
    assert postponed(history(open_end), open_end, utc("2025-07-15")) == history(open_end)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([], [1, 1, 1]),
        ([("2024-07-01", "2024-07-01", 5)], [5, 5, 1]),
        ([("2024-07-01", END, 5)], [1, 1, 1]),
        ([("2025-06-10", END, 5)], [1, 1, 5]),
        ([("2024-07-01", "2024-07-01", 5), ("2024-07-02", END, 2)], [5, 5, 1]),
        ([("2025-06-10", END, 2), ("2025-06-11", "2025-06-11", 6)], [1, 6, 6]),
        ([("2025-06-10", END, 2), ("2025-06-11", END, 3)], [1, 1, 3]),
    ],
)
def test_the_last_word_about_seats_counts(
    changes: list[tuple[str, str, int]], expected: list[int]
) -> None:
    """Q25: what was told before a period was paid is in its plan; a later word drops what lies ahead."""
    told = history(P1, P2)
    for at, effective, seats in changes:
        change = SeatChange(named(f"seats {at}"), utc(at), utc(effective), seats)
        told = told.with_seat_change(change)
    counted = [(P1, "2024-08-01"), (P1, "2025-06-14"), (P2, "2025-06-15")]
    assert [told.seats_at(of, utc(at)) for of, at in counted] == expected


@pytest.mark.parametrize("made", [asked, dispute], ids=["charge", "dispute"])
def test_money_is_open_from_its_instant_until_its_answer(made: Any) -> None:
    """Q7, T22: an end is exclusive, and nothing is open before it began."""
    told = made("2025-06-01", "2025-06-10")
    days = ("2025-05-31", "2025-06-01", "2025-06-09", "2025-06-10")
    assert [told.open_at(utc(day)) for day in days] == [False, True, True, False]
    assert [made("2025-06-01").open_at(utc(day)) for day in days] == [False, True, True, True]


def test_disputes_that_overlap_one_after_another_hold_without_a_break() -> None:
    """T22: held since the first of them, however many."""
    row = (
        dispute("2024-07-01", "2024-07-10"),
        dispute("2024-07-05", "2024-07-20"),
        dispute("2024-07-15"),
    )
    found = stages(P1, *row, hold_on_dispute=True)
    assert [stage for stage in found if stage[1] < "2025"] == [
        ("active", "2024-06-15", "2025-06-15"),
        ("hold", "2024-07-01", None),
    ]
