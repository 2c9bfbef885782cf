"""How a notice ends: by the mailer's report, or because it became untrue."""

from typing import Any

import pytest

from contracts import billing, licensing
from contracts.base import Data
from contracts.envelope import Envelope
from contracts.notifications import MailKind
from services.notifications.domain.rules import AFTER_UNKNOWN, RULES
from tests.domain.notifications.stories import (
    CREATED,
    REMINDER,
    SCHEDULED,
    T0,
    event,
    named,
    outcome,
    steps,
    tell,
)

UNTRUE: list[tuple[Envelope, Envelope, MailKind]] = [
    (REMINDER, event(billing.ReminderRetracted), "renewal-reminder"),
    (event(billing.ExpiryNoticeDue), event(billing.ReminderRetracted), "expiry-notice"),
    (
        event(billing.CancellationScheduled),
        event(billing.CancellationWithdrawn),
        "cancellation",
    ),
    (
        event(billing.CancellationDateChanged),
        event(billing.CancellationWithdrawn),
        "cancellation-date-changed",
    ),
    (event(licensing.GraceStarted), event(licensing.GraceRetracted), "grace-started"),
    (event(licensing.Expired), event(licensing.Reinstated), "expired"),
    (event(licensing.HoldStarted), event(licensing.Reinstated), "hold-started"),
]
OVERTAKEN: list[tuple[type[Data], dict[str, Any], type[Data], MailKind]] = [
    (licensing.GraceStarted, {}, licensing.Recovered, "grace-started"),
    (licensing.HoldStarted, {}, licensing.Recovered, "hold-started"),
    (licensing.GraceStarted, {}, licensing.HoldStarted, "grace-started"),
    (licensing.Paused, {}, licensing.Resumed, "paused"),
    (licensing.HoldStarted, {}, licensing.Expired, "hold-started"),
    (billing.PaymentFailed, {}, licensing.Expired, "payment-failed"),
]


@pytest.mark.parametrize(("request_", "end", "kind"), UNTRUE)
def test_an_unsent_mail_that_became_untrue_is_retracted(
    request_: Envelope, end: Envelope, kind: MailKind
) -> None:
    state, _ = tell([CREATED, request_])
    _, said = tell([end], state)
    assert steps(said) == [f"mail-retracted {kind}"]
    assert said[0].data.cause == end.id  # type: ignore[attr-defined]


@pytest.mark.parametrize(("request_", "end", "kind"), UNTRUE)
def test_a_waiting_mail_is_retracted_too(request_: Envelope, end: Envelope, kind: MailKind) -> None:
    _, said = tell([request_, end, CREATED])
    assert steps(said) == [f"mail-retracted {kind}"]


@pytest.mark.parametrize(("request_", "end", "kind"), UNTRUE)
def test_a_sent_mail_is_not_retracted(request_: Envelope, end: Envelope, kind: MailKind) -> None:
    state, _ = tell([CREATED, request_])
    state, _ = tell([outcome(state, kind, "accepted")], state)
    assert tell([end], state)[1] == []


@pytest.mark.parametrize(("message", "data", "later", "kind"), OVERTAKEN)
def test_a_later_stage_replaces_an_unsent_earlier_one(
    message: type[Data], data: dict[str, Any], later: type[Data], kind: MailKind
) -> None:
    _, said = tell([CREATED, event(message, **data), event(later)])
    assert steps(said)[:2] == [f"mail-requested {kind}", f"mail-retracted {kind}"]
    assert steps(said)[2].startswith("mail-requested ")


def test_a_payment_retracts_the_mail_about_its_failure() -> None:
    failed = event(billing.PaymentFailed, charge_id=named("charge"))
    paid = event(
        billing.PaymentSucceeded, kind="renewal", order_id="order-3", charge_id=named("charge")
    )
    _, said = tell([CREATED, SCHEDULED, failed, paid])
    assert steps(said) == [
        "mail-requested payment-failed",
        "mail-retracted payment-failed",
        "mail-requested receipt",
    ]


def test_another_reminder_is_left_alone() -> None:
    other = event(billing.ReminderRetracted, renews=named("another period"))
    assert steps(tell([CREATED, REMINDER, other])[1]) == ["mail-requested renewal-reminder"]


def test_a_retracted_reminder_that_is_due_again_is_sent() -> None:
    again = event(billing.RenewalReminderDue, "due again")
    state, said = tell([CREATED, REMINDER, event(billing.ReminderRetracted), again])
    assert steps(said) == [
        "mail-requested renewal-reminder",
        "mail-retracted renewal-reminder",
        "mail-requested renewal-reminder",
    ]
    assert len(state.notices) == 1
    assert state.notices[0].requested_by == again.id


def test_an_unsent_expiry_mail_tells_the_corrected_reason() -> None:
    state, said = tell([CREATED, event(licensing.Expired), event(licensing.ExpiryReasonCorrected)])
    assert steps(said) == ["mail-requested expired"]
    assert state.notices[0].params["reason"] == "canceled"


@pytest.mark.parametrize(
    ("what", "more"),
    [
        ("accepted", {}),
        ("refused", {"smtp_code": 550}),
        ("suppressed", {"code": "UNSAFE_ADDRESS"}),
        ("unknown", {}),
    ],
)
def test_the_mailers_report_ends_a_notice_once(what: str, more: dict[str, Any]) -> None:
    state, _ = tell([CREATED, REMINDER])
    state, said = tell([outcome(state, "renewal-reminder", what, **more)], state)
    assert steps(said) == [f"mail-{what} renewal-reminder"]
    data: Any = said[0].data
    assert (data.renews, data.at) == (REMINDER.data.renews, T0)  # type: ignore[attr-defined]
    for later in ("accepted", "refused", "unknown"):
        report = outcome(state, "renewal-reminder", later, 2, smtp_code=550)
        assert tell([report], state) == (state, [])


@pytest.mark.parametrize(
    ("what", "told"), [("accepted", True), ("unknown", True), ("refused", False)]
)
def test_a_mail_that_left_while_it_was_retracted_is_told_as_sent(what: str, told: bool) -> None:
    state, _ = tell([CREATED, REMINDER, event(billing.ReminderRetracted)])
    _, said = tell([outcome(state, "renewal-reminder", what, smtp_code=550)], state)
    assert steps(said) == ([f"mail-{what} renewal-reminder"] if told else [])


def test_every_kind_has_a_rule_for_an_unknown_end() -> None:
    assert set(AFTER_UNKNOWN) == {rule.kind for rule in RULES}
    assert {kind for kind, after in AFTER_UNKNOWN.items() if after.resend} == {
        "order-confirmation",
        "renewal-reminder",
    }


def test_a_payment_of_something_else_leaves_the_mail_about_a_failure() -> None:
    failed = event(billing.PaymentFailed, charge_id=named("charge"))
    other = event(
        billing.PaymentSucceeded, kind="manual", order_id="order-9", charge_id=named("another")
    )
    for paid in (other, event(billing.PaymentSucceeded, kind="manual", order_id="order-9")):
        _, said = tell([CREATED, SCHEDULED, failed, paid])
        assert steps(said) == ["mail-requested payment-failed", "mail-requested receipt"]
    same_order = event(billing.PaymentSucceeded, kind="manual", order_id="order-2")
    _, said = tell([CREATED, SCHEDULED, failed, same_order])
    assert steps(said)[1] == "mail-retracted payment-failed"
