"""What a message says, in a few words: the fields that matter to an operator."""

from datetime import datetime

import iso4217

from contracts import (
    audit,
    billing,
    commands,
    licensing,
    notifications,
    operations,
    payments,
)
from contracts.base import Data
from contracts.values import Money
from ops.terminal import moment

_SHORT_ID = 8


def short_type(type: str) -> str:
    """The type without owner and version: `payment-succeeded`."""
    return type.split(".")[1] if type.count(".") == 2 else type


def money(amount: Money) -> str:
    """`49.99 EUR`, with the decimals of the currency."""
    digits = iso4217.Currency(amount.currency).exponent or 0
    return f"{amount.minor / 10**digits:,.{digits}f} {amount.currency}"


def until(instant: datetime | None) -> str:
    """`until 2025-01-31 10:00`, or `without end`."""
    return f"until {moment(instant)}" if instant else "without end"


def works(capabilities: licensing.Capabilities) -> str:
    """What works on a device: `everything`, `protection, scan`, or `nothing`."""
    on = [name for name, works_now in capabilities if works_now]
    return "everything" if len(on) == 4 else ", ".join(on).replace("_", " ") or "nothing"


def phrase(data: Data) -> str:
    """The few fields that matter of any message; empty when its type says it all."""
    for part in _PARTS:
        words = part(data)
        if words is not None:
            return words
    return ""


def _payments(data: Data) -> str | None:
    match data:
        case payments.OrderPlaced():
            renews = "renews" if data.auto_renew else "does not renew"
            plan = f"{data.plan.product_id} {data.plan.term}"
            return f"{data.order_id}: {plan}, {money(data.amount)}, {renews}"
        case payments.PaymentSucceeded() | billing.PaymentSucceeded():
            return f"{data.order_id}: {money(data.amount)}, {data.kind}"
        case payments.PaymentFailed() | billing.PaymentFailed():
            return f"{data.order_id}: {money(data.amount)}, attempt {data.attempt}, {data.reason}"
        case payments.RefundSucceeded():
            return f"{data.order_id}: {money(data.amount)}"
        case payments.RefundFailed():
            return f"{data.order_id}: {data.reason}"
        case payments.ChargeRequested():
            return f"{money(data.amount)} by {moment(data.charge_by)}"
        case payments.RefundRequested():
            return f"{data.order_id}: {money(data.amount)}, case {short(data.case_id)}"
        case billing.PaymentRefused():
            return f"{data.order_id}: {money(data.amount)}, {data.code}"
        case payments.DisputeEvent() | billing.DisputeEvent():
            return f"{data.order_id}: {money(data.amount)}, dispute {data.dispute_id}"
    return None


def _refunds(data: Data) -> str | None:
    match data:
        case billing.RefundDeclined():
            return f"{data.order_id}: {data.code}, case {short(data.case_id)}"
        case billing.RefundEvent():
            effect = "" if data.effect == "none" else f", {data.effect.replace('_', ' ')}"
            return f"{data.order_id}: {money(data.amount)}{effect}, case {short(data.case_id)}"
        case commands.RequestRefund():
            return data.order_id
        case commands.ApproveRefund() | commands.DeclineRefund():
            return f"case {short(data.case_id)} by {data.operator}"
    return None


def _billing(data: Data) -> str | None:
    match data:
        case billing.PeriodScheduled():
            span = f"{moment(data.start)} {until(data.end)}"
            return f"period {data.ordinal}: {span}, {data.order_id}"
        case billing.PeriodEnding():
            return f"period {data.ordinal}: {data.reason.replace('_', ' ')}, {data.order_id}"
        case billing.PeriodShifted():
            return f"now period {data.new.ordinal}: {moment(data.new.start)} {until(data.new.end)}"
        case billing.SubscriptionCreated():
            return f"{data.provider_id}/{data.reference}, {data.plan.product_id} {data.plan.term}"
        case billing.RenewalReminderDue():
            charge = f", charge on {moment(data.charge_on)}" if data.charge_on else ""
            return f"end {moment(data.end)}, {money(data.amount)}{charge}"
        case billing.ReminderRetracted() | billing.ExpiryNoticeDue():
            return f"end {moment(data.end)}"
        case (
            billing.RenewalChargeWithdrawn() | payments.ChargeWithdrawn() | billing.ReminderWaived()
        ):
            return data.reason.replace("_", " ")
        case billing.CustomerContact():
            return f"{data.name} <{data.email}>, {data.locale}"
    return None


def _will(data: Data) -> str | None:
    match data:
        case billing.CancellationScheduled():
            return f"access {until(data.cancel_at)}, by {data.channel}"
        case billing.CancellationDateChanged():
            return f"access {until(data.new)}, was {until(data.old)}"
        case billing.CommandRefused():
            link = f" {data.link}" if data.link else ""
            case = f" Case {data.case_id}." if data.case_id else ""
            return f"{data.code}: {data.sentence}{case}{link}"
        case payments.CancellationRequested() | commands.Cancel():
            return f"by {data.channel}" + (f", {data.reason}" if data.reason else "")
        case payments.CancellationWithdrawn() | commands.Uncancel():
            return f"by {data.channel}"
        case billing.CancellationPendingAtProvider():
            return f"expected by {moment(data.expected_by)} at {data.link}"
        case billing.CancellationOverdueAtProvider():
            return f"pending since {moment(data.pending_since)} at {data.link}"
        case commands.UndoRenewal() | commands.Resume():
            return f"by {data.channel}"
        case commands.EraseCustomer():
            return f"by {data.operator}"
    return None


def _pauses_and_settings(data: Data) -> str | None:
    match data:
        case billing.PauseScheduled():
            return f"from {moment(data.starts_at)} {until(data.resumes_at)}, by {data.channel}"
        case billing.PauseStarted():
            return f"{until(data.resumes_at)}, {data.mode.replace('_', ' ')}, by {data.channel}"
        case payments.PauseRequested() | commands.Pause() | licensing.Paused():
            return until(data.resumes_at)
        case payments.SettingsChanged() | commands.ChangeSettings() | billing.SettingsChanged():
            seats = f"{data.seats} seats" if data.seats else None
            amount = money(data.amount) if data.amount else None
            return ", ".join(filter(None, (seats, data.term, data.product_id, amount)))
        case commands.ExtendPeriod():
            return f"{data.days} days by {data.operator}, {data.reason}"
    return None


def _licensing(data: Data) -> str | None:
    match data:
        case licensing.EntitlementEvent() | licensing.Entitlement():
            return f"{data.state}, {works(data.capabilities)}, {until(data.valid_until)}"
        case licensing.GraceStarted():
            return until(data.ends_at)
        case licensing.HoldStarted():
            return until(data.ends_at) if data.ends_at else "until the dispute is decided"
        case licensing.Expired():
            return data.reason.replace("_", " ")
        case licensing.ExpiryReasonCorrected():
            return f"{data.new}, not {data.old}".replace("_", " ")
        case licensing.LicensingEvent() if data.paid_through:
            return f"paid {until(data.paid_through)}"
    return None


def _others(data: Data) -> str | None:
    match data:
        case notifications.MailRefused():
            return f"{data.kind}, {data.smtp_code}"
        case notifications.MailSuppressed():
            return f"{data.kind}, {data.code}"
        case notifications.MailEvent():
            return data.kind
        case operations.Alert():
            return f"{data.code}: {data.sentence}"
    return None


def _ops(data: Data) -> str | None:
    if isinstance(data, audit.DeadLetterDecided):
        return f"{data.action} {data.code} by {data.who}{f': {data.why}' if data.why else ''}"
    return None


_PARTS = (_payments, _refunds, _billing, _will, _pauses_and_settings, _licensing, _others, _ops)


def short(id: object) -> str:
    """The first characters of an id, enough to tell it from its neighbours."""
    return str(id)[:_SHORT_ID]
