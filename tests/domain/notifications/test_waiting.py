"""Topics overtake each other: what comes early waits a day."""

import itertools
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from contracts import billing, licensing
from services.notifications.domain.correspondence import Correspondence
from services.notifications.domain.decide import KEPT, next_deadline
from tests.domain.notifications.stories import (
    CREATED,
    PAID,
    SCHEDULED,
    T0,
    TIME,
    event,
    outcome,
    steps,
    tell,
)

DAY = timedelta(days=1)
GRACE = event(licensing.GraceStarted)
EXPIRED = event(licensing.Expired)
CANCELED = event(billing.CancellationScheduled)


def test_a_notice_before_its_subscription_waits_and_then_goes_out() -> None:
    state, said = tell([EXPIRED])
    assert said == []
    assert next_deadline(state) == T0 + DAY
    state, said = tell([CREATED], state, T0 + timedelta(hours=23))
    assert steps(said) == ["mail-requested expired"]
    assert next_deadline(state) is None


def test_after_a_day_without_its_subscription_a_notice_is_suppressed() -> None:
    state, _ = tell([EXPIRED])
    state, said = tell([TIME], state, T0 + DAY)
    assert steps(said) == ["mail-suppressed expired"]
    assert said[0].data.code == "NO_CONTACT"  # type: ignore[attr-defined]
    assert said[0].provider_id == "online-store"
    assert tell([CREATED], state, T0 + DAY)[1] == []


def test_a_late_message_settles_what_waited_too_long() -> None:
    state, _ = tell([EXPIRED])
    _, said = tell([GRACE], state, T0 + 2 * DAY)
    assert steps(said) == ["mail-suppressed expired"]


def test_a_confirmation_waits_for_the_period_it_tells() -> None:
    state, said = tell([CREATED, PAID])
    assert said == []
    _, said = tell([SCHEDULED], state)
    assert steps(said) == ["mail-requested order-confirmation"]


def test_a_confirmation_goes_out_without_its_period_after_a_day() -> None:
    state, _ = tell([CREATED, PAID])
    state, said = tell([TIME], state, T0 + DAY)
    assert steps(said) == ["mail-requested order-confirmation"]
    assert next_deadline(state) is None
    _, said = tell([outcome(state, "order-confirmation", "accepted")], state, T0 + DAY)
    assert steps(said) == ["mail-accepted order-confirmation"]


@pytest.mark.parametrize(
    "billing_order", [(CREATED, SCHEDULED, PAID, CANCELED), (CREATED, PAID, SCHEDULED, CANCELED)]
)
def test_any_order_of_the_two_topics_ends_in_the_same_mails(billing_order: tuple[Any, ...]) -> None:
    licensing_order = (event(licensing.PeriodStarted), EXPIRED)
    ends: set[tuple[UUID, ...]] = set()
    for places in itertools.combinations(range(6), 2):
        first, second = iter(licensing_order), iter(billing_order)
        merged = [next(first) if at in places else next(second) for at in range(6)]
        state, said = tell(merged)
        assert sorted(steps(said)) == [
            "mail-requested cancellation",
            "mail-requested expired",
            "mail-requested order-confirmation",
        ]
        ends.add(tuple(sorted(one.notice_id for one in state.notices)))
    assert len(ends) == 1


def test_a_settled_notice_is_dropped_after_its_time_but_never_sent_again() -> None:
    state, _ = tell([CREATED, SCHEDULED, PAID])
    state, _ = tell([outcome(state, "order-confirmation", "accepted")], state)
    state, _ = tell([GRACE], state, T0 + KEPT)
    assert [one.kind for one in state.notices] == ["grace-started"]
    again = event(billing.PaymentSucceeded, "again")
    state, said = tell([again], state, T0 + KEPT)
    assert said == []


def test_the_state_survives_its_json() -> None:
    state, _ = tell([PAID, CREATED, SCHEDULED, GRACE, EXPIRED])
    assert Correspondence.model_validate_json(state.model_dump_json(exclude_defaults=True)) == state
