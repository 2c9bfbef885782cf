"""Which event asks for which mail, and which event makes an unsent mail untrue. Tables only."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pydantic import JsonValue

from contracts import billing, licensing
from contracts.base import Data
from contracts.notifications import MailKind
from services.notifications.domain.correspondence import Notice


@dataclass(frozen=True, slots=True)
class MailRule:
    """`event` asks for a mail of `kind`, once per natural `key`; its letter shows `fields`.

    Free text of customers and payment systems is never among the fields.
    """

    event: type[Data]
    kind: MailKind
    key: Callable[[Any], str]
    fields: frozenset[str]
    applies: Callable[[Any], bool] = lambda data: True
    #: What the letter shows beside the fields of the event.
    shows: dict[str, JsonValue] = field(default_factory=dict)


def _instant(value: Any) -> str:
    return value.isoformat() if value else "open"


def _reminder_key(data: Any) -> str:
    return f"{data.renews}\n{_instant(data.end)}"


def _anchor_key(data: Any) -> str:
    return f"{data.period_id}\n{_instant(data.effective_at)}"


def _refund_key(data: Any) -> str:
    return f"{data.case_id}\n{data.refund_id or ''}"


_ORDER = frozenset({"order_id", "amount", "period_id"})
_REFUND = frozenset({"case_id", "order_id", "amount", "full", "requested_at", "effect"})
_ACCESS = frozenset({"period_id", "effective_at", "paid_through"})

RULES: tuple[MailRule, ...] = (
    MailRule(
        billing.PaymentSucceeded,
        "order-confirmation",
        lambda data: data.order_id,
        _ORDER,
        lambda data: data.kind == "initial",
    ),
    MailRule(
        billing.PaymentSucceeded,
        "receipt",
        lambda data: data.order_id,
        _ORDER,
        lambda data: data.kind != "initial",
    ),
    MailRule(
        # A failed first payment is shown on the order page; mail is for what runs unattended.
        billing.PaymentFailed,
        "payment-failed",
        lambda data: f"{data.order_id}\n{data.attempt}",
        frozenset({"order_id", "amount", "charge_id", "hard_decline", "next_attempt_at"}),
        lambda data: data.kind in ("renewal", "prepayment"),
    ),
    MailRule(
        billing.RenewalReminderDue,
        "renewal-reminder",
        _reminder_key,
        frozenset({"renews", "end", "plan", "amount", "auto_charge", "charge_on"}),
    ),
    MailRule(billing.ExpiryNoticeDue, "expiry-notice", _reminder_key, frozenset({"renews", "end"})),
    MailRule(
        billing.CancellationScheduled,
        "cancellation",
        lambda data: str(data.cancellation_id),
        frozenset({"cancellation_id", "cancel_at", "refundable"}),
    ),
    MailRule(
        # The fact keeps a date that moves there and back apart from a redelivery.
        billing.CancellationDateChanged,
        "cancellation-date-changed",
        lambda data: f"{data.cancellation_id}\n{data.fact_id}\n{_instant(data.new)}",
        frozenset({"cancellation_id", "old", "new"}),
    ),
    MailRule(billing.RefundRequested, "refund-requested", lambda data: str(data.case_id), _REFUND),
    MailRule(
        billing.RefundDeclined,
        "refund-declined",
        lambda data: str(data.case_id),
        _REFUND | {"code"},
    ),
    MailRule(
        billing.RefundInitiated,
        "refund-initiated",
        _refund_key,
        _REFUND | {"access_until", "expected_credit_by"},
    ),
    MailRule(billing.RefundSettled, "refund-settled", _refund_key, _REFUND),
    MailRule(billing.RefundFailed, "refund-failed", _refund_key, _REFUND),
    MailRule(
        billing.DisputeOpened,
        "dispute-opened",
        lambda data: data.dispute_id,
        frozenset({"dispute_id", "order_id", "amount"}),
    ),
    *(
        MailRule(
            event,
            "dispute-closed",
            lambda data: f"{data.dispute_id}\n{data.TYPE}",
            frozenset({"dispute_id", "order_id", "amount"}),
            shows={"won": event is billing.DisputeWon},
        )
        for event in (billing.DisputeWon, billing.DisputeLost)
    ),
    MailRule(licensing.GraceStarted, "grace-started", _anchor_key, _ACCESS | {"ends_at"}),
    MailRule(licensing.HoldStarted, "hold-started", _anchor_key, _ACCESS | {"ends_at"}),
    MailRule(licensing.Paused, "paused", _anchor_key, _ACCESS | {"resumes_at"}),
    MailRule(licensing.Resumed, "resumed", _anchor_key, _ACCESS),
    MailRule(licensing.Recovered, "recovered", _anchor_key, _ACCESS),
    MailRule(
        licensing.Expired,
        "expired",
        lambda data: _instant(data.effective_at),
        frozenset({"effective_at", "reason"}),
    ),
)


def requested_by(data: Data) -> MailRule | None:
    """The rule by which this event asks for a mail, if any does."""
    return next((rule for rule in RULES if rule.event is type(data) and rule.applies(data)), None)


def _same(notice: Notice, field: str, value: Any) -> bool:
    return value is not None and notice.params.get(field) == str(value)


def _unpaid(notice: Notice) -> bool:
    return notice.kind in ("grace-started", "hold-started", "payment-failed")


#: For each event: which open notices would now tell something that is no longer true.
UNTRUE: dict[type[Data], Callable[[Any, Notice], bool]] = {
    billing.PaymentSucceeded: lambda data, notice: (
        notice.kind == "payment-failed"
        and (_same(notice, "charge_id", data.charge_id) or _same(notice, "order_id", data.order_id))
    ),
    billing.ReminderRetracted: lambda data, notice: (
        notice.kind in ("renewal-reminder", "expiry-notice")
        and (notice.renews, notice.end) == (data.renews, data.end)
    ),
    billing.CancellationWithdrawn: lambda data, notice: (
        notice.kind in ("cancellation", "cancellation-date-changed")
        and _same(notice, "cancellation_id", data.cancellation_id)
    ),
    licensing.GraceRetracted: lambda data, notice: (
        notice.kind in ("grace-started", "hold-started")
        and _same(notice, "period_id", data.period_id)
    ),
    # After a long stop the stages of an unpaid end arrive together: only the last one is told.
    licensing.HoldStarted: lambda data, notice: notice.kind == "grace-started",
    licensing.Expired: lambda data, notice: _unpaid(notice),
    licensing.Recovered: lambda data, notice: _unpaid(notice),
    licensing.Reinstated: lambda data, notice: notice.kind in ("expired", "hold-started"),
    # A pause that is over, or never was, is not told any more.
    licensing.Resumed: lambda data, notice: notice.kind == "paused",
}


@dataclass(frozen=True, slots=True)
class AfterUnknown:
    """Whether a mail whose transfer ended without an answer is sent once more, and why."""

    resend: bool
    reason: str


#: Sent again at most once, under the same Message-ID, so that mail programs can show it once.
AFTER_UNKNOWN: dict[MailKind, AfterUnknown] = {
    "order-confirmation": AfterUnknown(True, "the management link must arrive (S-54)"),
    "renewal-reminder": AfterUnknown(True, "it must arrive before a charge (S-52)"),
    "receipt": AfterUnknown(False, "the payment shows in the account; two receipts look like two"),
    "expiry-notice": AfterUnknown(False, "nothing is charged; the end shows in the account"),
    "payment-failed": AfterUnknown(False, "the next attempt or the grace mail says it again"),
    "cancellation": AfterUnknown(False, "exactly once per cancellation (S-56)"),
    "cancellation-date-changed": AfterUnknown(False, "the account shows the date"),
    "refund-requested": AfterUnknown(False, "the decision follows with a mail of its own"),
    "refund-declined": AfterUnknown(False, "two would look like two decisions"),
    "refund-initiated": AfterUnknown(False, "the mail about the paid refund follows"),
    "refund-settled": AfterUnknown(False, "two would look like two refunds"),
    "refund-failed": AfterUnknown(False, "support follows up in person"),
    "dispute-opened": AfterUnknown(False, "the decision follows with a mail of its own"),
    "dispute-closed": AfterUnknown(False, "two would look like two decisions"),
    "paused": AfterUnknown(False, "the account shows it"),
    "resumed": AfterUnknown(False, "the account shows it"),
    "grace-started": AfterUnknown(False, "hold or expiry mail follows if nothing is paid"),
    "hold-started": AfterUnknown(False, "the expiry mail follows if nothing is paid"),
    "recovered": AfterUnknown(False, "good news; the device shows it"),
    "expired": AfterUnknown(False, "the device shows it"),
}
