"""What a letter shows: the facts as they are when it is written, and nothing that is unknown (S-54)."""

from datetime import timedelta
from typing import Any

import pytest

from contracts import billing, licensing
from services.notifications.domain.correspondence import Correspondence, empty
from services.notifications.domain.facts import PERIODS_MAX
from services.notifications.domain.letter import letter
from tests.domain.notifications.stories import (
    CREATED,
    PAID,
    PERIOD,
    PLAN,
    PRICE,
    SCHEDULED,
    SUBSCRIPTION,
    T0,
    YEAR,
    Heard,
    event,
    named,
    tell,
)
from tests.support.story import POLICIES


def shown(kind: str, *told: Heard) -> dict[str, Any]:
    """What the letter of the only notice of a kind shows after all that was told."""
    state, _ = tell(told)
    return written(state, kind)


def written(state: Correspondence, kind: str) -> dict[str, Any]:
    """The same, of a state."""
    (notice,) = [one for one in state.notices if one.kind == kind]
    return letter(state, notice, POLICIES, T0)


def test_a_confirmation_shows_the_order_its_period_and_the_management_link() -> None:
    assert shown("order-confirmation", CREATED, SCHEDULED, PAID) == {
        "provider_name": POLICIES.in_force("online-store", T0).name,
        "auto_renew": True,
        "link": "https://store.example.com/subscriptions/ref-1",
        "reference": "ref-1",
        "billing_tz": "Europe/Berlin",
        "plan": PLAN,
        "period": {"start": "2025-06-15T10:00:00Z", "end": "2026-06-15T10:00:00Z"},
        "order_id": "order-1",
        "amount": PRICE,
        "period_id": str(PERIOD),
    }


def test_the_last_day_of_the_refund_window_is_shown_where_there_is_one() -> None:
    scheduled = event(billing.PeriodScheduled, refund_until=T0 + timedelta(days=14))
    period = shown("order-confirmation", CREATED, scheduled, PAID)["period"]
    assert period["refund_until"] == "2025-06-29T10:00:00Z"


def test_what_is_unknown_has_no_key() -> None:
    """No order and no period were heard of."""
    assert set(shown("order-confirmation", PAID)) == {
        "provider_name", "auto_renew", "order_id", "amount", "period_id",
    }  # fmt: skip


def test_a_period_is_shown_where_it_lies_now() -> None:
    """What moved before the letter is written is told as moved; other periods stay."""
    other = event(billing.PeriodScheduled, period_id=named("other"), order_id="order-2", ordinal=2)
    moved = event(billing.PeriodShifted)
    state, _ = tell([CREATED, SCHEDULED, other, PAID, moved])
    assert written(state, "order-confirmation")["period"] == {
        "start": "2026-06-15T10:00:00Z",
        "end": "2027-06-15T10:00:00Z",
    }
    kept = state.period(named("other"))
    assert kept
    assert (kept.start, kept.end) == (T0, T0 + YEAR)


@pytest.mark.parametrize(
    ("told", "auto_renew"),
    [
        ((), True),
        ((event(billing.CancellationScheduled),), False),
        ((event(billing.CancellationScheduled), event(billing.CancellationWithdrawn)), True),
        ((event(billing.PeriodVoided, auto_renew=False),), False),
        ((event(billing.PeriodReinstated, reason="refunded", auto_renew=True),), True),
        ((event(billing.SubscriptionCreated, id="anew", auto_renew=False),), False),
    ],
)
def test_whether_it_renews_is_what_was_told_last(told: tuple[Heard, ...], auto_renew: bool) -> None:
    assert shown("order-confirmation", CREATED, SCHEDULED, PAID, *told)["auto_renew"] == auto_renew


def test_a_period_that_is_told_again_takes_the_place_of_the_first_telling() -> None:
    again = event(billing.PeriodScheduled, id="again", end=T0 + 2 * YEAR)
    state, _ = tell([CREATED, SCHEDULED, again])
    assert [(one.period_id, one.end) for one in state.periods] == [(PERIOD, T0 + 2 * YEAR)]


def test_only_the_latest_periods_are_kept() -> None:
    told = [
        event(billing.PeriodScheduled, period_id=named(f"p{number}"), order_id=f"o{number}")
        for number in range(PERIODS_MAX + 1)
    ]
    state, _ = tell(told)
    assert [one.order_id for one in state.periods] == [f"o{n + 1}" for n in range(PERIODS_MAX)]
    assert state.period(named("p0")) is None


def test_nobody_asked_for_a_notice_that_is_not_known() -> None:
    assert empty(SUBSCRIPTION).notice(named("notice")) is None


def test_only_a_mail_about_the_end_tells_a_corrected_reason() -> None:
    corrected = event(licensing.ExpiryReasonCorrected)
    state, _ = tell([CREATED, SCHEDULED, PAID, event(licensing.Expired), corrected])
    assert written(state, "expired")["reason"] == "canceled"
    assert "reason" not in written(state, "order-confirmation")
