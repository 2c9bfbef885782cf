"""Letters for tests: one of every kind, with all optional fields and with none."""

from datetime import timedelta
from typing import Any

from pydantic import JsonValue

from contracts import billing, licensing
from contracts.base import Data
from contracts.notifications import MailKind
from policies import load_policies
from services.notifications.domain.letter import letter
from tests.domain.notifications.stories import CREATED, SCHEDULED, T0, YEAR, event, named, tell

POLICIES = load_policies()
DAY = timedelta(days=1)
_REFUNDABLE = {"order_id": "order-1", "until": T0 + 30 * DAY}
_OPEN_ENDED = {"product_id": "antivirus", "product_type": "update", "term": "unlimited", "seats": 1}

#: Per case: the event, its fields, and what else was heard before.
CASES: list[tuple[MailKind, type[Data], dict[str, Any]]] = [
    ("order-confirmation", billing.PaymentSucceeded, {}),
    ("order-confirmation", billing.PaymentSucceeded, {"order_id": "order-0", "period_id": None}),
    ("receipt", billing.PaymentSucceeded, {"kind": "renewal"}),
    ("receipt", billing.PaymentSucceeded, {"kind": "manual", "period_id": None}),
    ("renewal-reminder", billing.RenewalReminderDue, {"charge_on": T0 + 16 * DAY}),
    ("renewal-reminder", billing.RenewalReminderDue, {"auto_charge": False}),
    ("expiry-notice", billing.ExpiryNoticeDue, {}),
    ("payment-failed", billing.PaymentFailed, {"next_attempt_at": T0 + DAY}),
    ("payment-failed", billing.PaymentFailed, {"hard_decline": True}),
    ("payment-failed", billing.PaymentFailed, {}),
    ("cancellation", billing.CancellationScheduled, {"refundable": _REFUNDABLE}),
    ("cancellation", billing.CancellationScheduled, {"cancel_at": None}),
    ("cancellation-date-changed", billing.CancellationDateChanged, {}),
    ("cancellation-date-changed", billing.CancellationDateChanged, {"old": None}),
    ("cancellation-date-changed", billing.CancellationDateChanged, {"new": None}),
    ("cancellation-date-changed", billing.CancellationDateChanged, {"old": None, "new": None}),
    ("refund-requested", billing.RefundRequested, {}),
    ("refund-declined", billing.RefundDeclined, {}),
    *(
        ("refund-initiated", billing.RefundInitiated, {"effect": effect, **more})
        for effect in ("none", "current_revoked", "upcoming_voided")
        for more in ({}, {"access_until": T0 + YEAR, "expected_credit_by": T0 + 7 * DAY})
    ),
    ("refund-settled", billing.RefundSettled, {}),
    ("refund-failed", billing.RefundFailed, {"refund_id": named("refund")}),
    ("grace-started", licensing.GraceStarted, {}),
    ("hold-started", licensing.HoldStarted, {}),
    ("hold-started", licensing.HoldStarted, {"ends_at": None}),
    ("dispute-opened", billing.DisputeOpened, {}),
    ("dispute-closed", billing.DisputeWon, {}),
    ("dispute-closed", billing.DisputeLost, {}),
    ("paused", licensing.Paused, {}),
    ("resumed", licensing.Resumed, {}),
    ("resumed", licensing.Resumed, {"paid_through": T0 + YEAR}),
    ("recovered", licensing.Recovered, {}),
    ("recovered", licensing.Recovered, {"paid_through": T0 + YEAR}),
    *(
        ("expired", licensing.Expired, {"reason": reason})
        for reason in (
            "lapsed",
            "payment_failed",
            "canceled",
            "refunded",
            "refunded_renewal",
            "chargeback",
        )
    ),
]
#: Different lives that the same letter can be about.
LIVES = {
    "renewing": (CREATED, SCHEDULED),
    "refundable": (CREATED, event(billing.PeriodScheduled, refund_until=T0 + 30 * DAY)),
    "not renewing": (event(billing.SubscriptionCreated, auto_renew=False), SCHEDULED),
    "unlimited": (
        event(billing.SubscriptionCreated, plan=_OPEN_ENDED),
        event(billing.PeriodScheduled, end=None, plan=_OPEN_ENDED),
    ),
}


def letter_of(
    kind: MailKind, message: type[Data], data: dict[str, Any], life: str = "renewing"
) -> dict[str, JsonValue]:
    """The letter that this event leads to."""
    state, _ = tell([*LIVES[life], event(message, **data)])
    (notice,) = [one for one in state.notices if one.kind == kind]
    return letter(state, notice, POLICIES, T0)


def letter_of_kind(kind: MailKind) -> dict[str, JsonValue]:
    """A letter of this kind."""
    message, data = next((message, data) for known, message, data in CASES if known == kind)
    return letter_of(kind, message, data)
