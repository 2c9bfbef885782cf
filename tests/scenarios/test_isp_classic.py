"""A provider that charges and cancels by itself (isp-classic): two weeks of grace, no hold, no refunds."""

from contracts import billing, licensing, payments
from contracts.licensing import Capabilities
from tests.scenarios.case import DAY, END, MINUTE, SECOND_END, START, Case
from tests.scenarios.year import SCENARIO, Year

pytestmark = SCENARIO

PROVIDER = "isp-classic"
GRACE_ENDS = END + 14 * DAY
RENEWED = Case("isp-renewed", PROVIDER).subscribed().paid(END - 5 * DAY, order=2, kind="renewal")
LAPSED = Case("isp-lapsed", PROVIDER, product_type="update").subscribed()
RECOVERED = Case("isp-recovered", PROVIDER).subscribed().paid(END + 6 * DAY, order=2, kind="manual")
CANCELED = (
    Case("isp-canceled", PROVIDER)
    .subscribed()
    .ask_refund(START + DAY)
    .cancel(START + 99 * DAY)
    .tell(START + 100 * DAY, "cancellation-requested", lambda year: {"channel": "provider"})
)
CHANGED_MIND = (
    Case("isp-changed-mind", PROVIDER)
    .subscribed()
    .tell(START + 100 * DAY, "cancellation-requested", lambda year: {"channel": "provider"})
    .tell(START + 110 * DAY, "cancellation-withdrawn", lambda year: {"channel": "provider"})
)


def test_the_provider_charges_so_we_ask_for_nothing(year: Year) -> None:
    renewal = year.told(RENEWED, billing.PeriodScheduled)[1]
    assert (renewal.start, renewal.end) == (year.at(END), year.at(SECOND_END))
    assert ("subscription-renewed", year.at(END)) in year.access(RENEWED)
    for case in (RENEWED, LAPSED, RECOVERED, CANCELED):
        assert not year.told(case, payments.ChargeRequested)


def test_without_renewal_two_weeks_of_grace_then_protection_stands_still(year: Year) -> None:
    """S-07: an update subscription loses updates and cloud, not protection and scan."""
    assert year.access(LAPSED) == [
        ("period-started", year.at(START)),
        ("period-ended", year.at(END)),
        ("grace-started", year.at(END)),
        ("grace-ended", year.at(GRACE_ENDS)),
        ("expired", year.at(GRACE_ENDS)),
    ]
    assert year.told(LAPSED, licensing.Expired)[0].reason == "lapsed"
    grace, limited = year.state(LAPSED, END), year.state(LAPSED, GRACE_ENDS)
    assert grace
    assert limited
    assert grace.capabilities == Capabilities(
        database_updates=True, cloud_reputation=True, protection=True, scan=True
    )
    assert limited.state == "limited"
    assert limited.capabilities == Capabilities(
        database_updates=False, cloud_reputation=False, protection=True, scan=True
    )


def test_a_manual_payment_in_grace_counts_from_the_old_end(year: Year) -> None:
    renewal = year.told(RECOVERED, billing.PeriodScheduled)[1]
    assert (renewal.start, renewal.kind) == (year.at(END), "manual")
    assert ("recovered", year.at(END + 6 * DAY)) in year.access(RECOVERED)
    whens = (END, END + 6 * DAY, GRACE_ENDS)
    assert year.states(RECOVERED, *whens) == ["grace", "active", "active"]


def test_we_refuse_to_cancel_and_show_the_providers_link(year: Year) -> None:
    (answer,) = year.answers(CANCELED, "cancel")
    assert isinstance(answer.data, billing.CommandRefused)
    assert answer.data.code == "CANCEL_AT_PROVIDER"
    assert answer.data.link == f"https://isp.example.com/account/{CANCELED.reference}"
    assert len(year.told(CANCELED, billing.CancellationScheduled)) == 1


def test_a_cancellation_at_the_provider_ends_at_the_paid_end_without_grace(year: Year) -> None:
    (scheduled,) = year.told(CANCELED, billing.CancellationScheduled)
    assert scheduled.effective_at == year.at(START + 100 * DAY)
    assert (scheduled.channel, scheduled.cancel_at) == ("provider", year.at(END))
    assert year.states(CANCELED, END - MINUTE, END) == ["active", "expired"]
    assert year.told(CANCELED, licensing.Expired)[0].reason == "canceled"
    at = year.at(END)
    assert f"{at:%B} {at.day}, {at.year}" in year.letter(CANCELED, "cancellation")["Text"]


def test_a_cancellation_withdrawn_at_the_provider_has_grace_again(year: Year) -> None:
    assert year.told(CHANGED_MIND, billing.CancellationWithdrawn)
    assert year.states(CHANGED_MIND, END, GRACE_ENDS) == ["grace", "expired"]


def test_a_refund_that_the_provider_does_not_offer_is_refused_with_its_link(year: Year) -> None:
    (answer,) = year.answers(CANCELED, "refund")
    assert isinstance(answer.data, billing.CommandRefused)
    assert answer.data.code == "REFUND_NOT_OFFERED"
    assert answer.data.link == f"https://isp.example.com/account/{CANCELED.reference}"
    assert not year.told(CANCELED, billing.RefundRequested)
