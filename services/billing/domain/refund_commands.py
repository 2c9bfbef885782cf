"""Commands about refunds: asked for by a customer, decided by an operator (S-41 to S-48)."""

import hmac
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from contracts import commands
from contracts.envelope import Envelope
from ledger.calendar import zone
from ledger.history import PaidPeriod
from services.billing.domain import facts
from services.billing.domain.paybacks import approval
from services.billing.domain.refund_window import refund_until
from services.billing.domain.refusal import Refusal, Verdict, management_link
from services.billing.domain.standing import Case, Standing

#: So many attempts of one subscription may fail the identity check within this time (Q14).
ATTEMPTS_AT_MOST = 5
ATTEMPTS_WITHIN = timedelta(hours=24)


def request_refund(
    message: Envelope, data: commands.RequestRefund, known: Standing, now: datetime
) -> Verdict:
    """Open a case, or decline it at once: outside the window, or by the wrong person (S-41 to S-44, Q13, Q14)."""
    period = known.period_of_order(data.order_id)
    if period is None:
        return Refusal("ORDER_UNKNOWN", "No paid order of this number is known.")
    refusal = not_refundable(known, data.order_id)
    if refusal:
        return refusal
    until = refund_until(known, period)
    if until is None:
        sentence = "The provider offers no refund of this payment through us: use the link."
        return Refusal("REFUND_NOT_OFFERED", sentence, link=management_link(known))
    requested_at = min(data.requested_at or message.time, now)
    if not _identified(data.identity, known, period):
        return _mismatch(message, data, known, period, requested_at, now)
    too_many = _too_many_attempts(known, now)
    if too_many:  # or else guessing could go on until it is right
        return too_many
    case_id = uuid5(known.subscription.subscription_id, f"refund\n{data.order_id}")
    if requested_at >= until:
        return (_declined(message, case_id, period, requested_at, now, "OUTSIDE_WINDOW"),)
    return (
        facts.CaseOpened(
            fact_id=message.cause_id,
            at=now,
            case_id=case_id,
            order_id=period.order_id,
            amount=period.amount,
            requested_at=requested_at,
            review=True,
        ),
    )


def not_refundable(known: Standing, order_id: str) -> Refusal | None:
    """Why no refund of an order can be begun: it has one, or the bank has its hands on the money."""
    case = known.case_of_order(order_id)
    if case:
        sentence = "A refund of this order was requested before: see its case."
        return Refusal("REFUND_EXISTS", sentence, case_id=case.case_id)
    if known.charged_back(order_id):
        return Refusal("CHARGED_BACK", "The bank took the money of this order back already.")
    return _dispute_refusal() if known.dispute_open else None


def _mismatch(
    message: Envelope,
    data: commands.RequestRefund,
    known: Standing,
    period: PaidPeriod,
    requested_at: datetime,
    now: datetime,
) -> Verdict:
    """Close an attempt with wrong details; the same attempt again is the same case (Q14)."""
    told = data.identity
    told_text = f"{told.purchased_on}\n{told.name_digest}\n{told.email_digest}"
    attempt = uuid5(
        known.subscription.subscription_id, f"refund-attempt\n{data.order_id}\n{told_text}"
    )
    if attempt in known.cases:
        sentence = "The same request was declined before: see its case."
        return Refusal("REFUND_EXISTS", sentence, case_id=attempt)
    too_many = _too_many_attempts(known, now)
    if too_many:
        return too_many
    return (_declined(message, attempt, period, requested_at, now, "IDENTITY_MISMATCH"),)


def _dispute_refusal() -> Refusal:
    """Nothing is paid back by us while the bank decides (Q16)."""
    sentence = "The bank is deciding about money of this subscription: wait for the outcome."
    return Refusal("DISPUTE_OPEN", sentence)


def _too_many_attempts(known: Standing, now: datetime) -> Refusal | None:
    """The refusal of further attempts for a while, whoever asks (Q14)."""
    failed = sorted(
        case.declined.at
        for case in known.cases.values()
        if case.declined and case.declined.code == "IDENTITY_MISMATCH"
    )
    if len(failed) < ATTEMPTS_AT_MOST or failed[-ATTEMPTS_AT_MOST] + ATTEMPTS_WITHIN <= now:
        return None
    free_at = failed[-ATTEMPTS_AT_MOST] + ATTEMPTS_WITHIN
    sentence = "Too many requests with wrong details: try again later."
    return Refusal("TOO_MANY_ATTEMPTS", sentence, available_from=free_at)


def _identified(identity: commands.Identity, known: Standing, period: PaidPeriod) -> bool:
    """Whether date, name and e-mail all fit; compared in constant time, never telling which failed."""
    order = known.orders.get(period.order_id) or known.first_order
    if order is None:
        return False
    tz = known.policy(period.policy_version).refund_tz
    on_day = period.ordered_at.astimezone(zone(tz)).date() == identity.purchased_on
    name = hmac.compare_digest(identity.name_digest, order.name_digest)
    email = hmac.compare_digest(identity.email_digest, order.email_digest)
    return on_day & name & email


def _declined(
    message: Envelope,
    case_id: UUID,
    period: PaidPeriod,
    requested_at: datetime,
    now: datetime,
    code: str,
) -> facts.CaseDeclined:
    return facts.CaseDeclined(
        fact_id=message.cause_id,
        at=now,
        case_id=case_id,
        order_id=period.order_id,
        amount=period.amount,
        requested_at=requested_at,
        code=code,
        opened=False,
    )


def _waiting_case(known: Standing, case_id: UUID) -> Case | Refusal:
    case = known.cases.get(case_id)
    if case is None:
        return Refusal("CASE_UNKNOWN", "No refund case of this id is known.")
    if not case.waits:
        return Refusal("CASE_CLOSED", "The refund case was decided before.", case_id=case_id)
    return case


def approve(
    message: Envelope, data: commands.ApproveRefund, known: Standing, now: datetime
) -> Verdict:
    """An operator confirms a case: the refund is initiated now (Q10)."""
    case = _waiting_case(known, data.case_id)
    if isinstance(case, Refusal):
        return case
    if known.charged_back(case.order_id):
        sentence = "The bank took the money of this order back already: decline the case."
        return Refusal("CHARGED_BACK", sentence, case_id=case.case_id)
    if known.dispute_open:
        return _dispute_refusal()
    period = known.period_of_order(case.order_id)
    if period is None:
        raise ValueError("a refund case without its period")
    return (approval(known, case, period, message.cause_id, now),)


def decline(
    message: Envelope, data: commands.DeclineRefund, known: Standing, now: datetime
) -> Verdict:
    """An operator closes a case without a refund."""
    case = _waiting_case(known, data.case_id)
    if isinstance(case, Refusal):
        return case
    return (
        facts.CaseDeclined(
            fact_id=message.cause_id,
            at=now,
            case_id=case.case_id,
            order_id=case.order_id,
            amount=case.amount,
            requested_at=case.requested_at,
            code=data.code,
            opened=True,
        ),
    )
