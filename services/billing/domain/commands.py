"""Commands become verdicts: facts, or a refusal with a stable code that changes nothing."""

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from contracts import commands
from contracts.base import Data
from contracts.billing import CommandRefused
from contracts.envelope import Envelope
from ledger.calendar import zone
from ledger.history import PaidPeriod
from services.billing.domain import facts
from services.billing.domain.paybacks import approval
from services.billing.domain.refund_window import refund_until
from services.billing.domain.standing import Case, Standing


@dataclass(frozen=True, slots=True)
class Refusal:
    """A "no": nothing changes, the command's sender gets code and sentence."""

    code: str
    sentence: str
    case_id: UUID | None = None
    link: str | None = None

    def event(self, command: str, cause_id: UUID, now: datetime) -> CommandRefused:
        """The event that answers the command."""
        return CommandRefused(
            fact_id=cause_id,
            effective_at=now,
            command=command,
            code=self.code,
            sentence=self.sentence,
            case_id=self.case_id,
            link=self.link,
        )


Verdict = tuple[facts.AnyFact, ...] | Refusal


def verdict(message: Envelope, known: Standing, now: datetime) -> Verdict:
    """Answer one command by the standing at `now`."""
    data: Data = message.data
    if known.first_order is None:
        return Refusal("SUBSCRIPTION_UNKNOWN", "No order of this subscription is known.")
    match data:
        case commands.Cancel():
            return _cancel(message, data, known, now)
        case commands.Uncancel():
            return _uncancel(message, data, known, now)
        case commands.RequestRefund():
            return _request_refund(message, data, known, now)
        case commands.ApproveRefund():
            return _approve(message, data, known, now)
        case commands.DeclineRefund():
            return _decline(message, data, known, now)
    raise TypeError(f"no verdict for {message.type}")


def _link(known: Standing) -> str:
    version = known.history.periods[-1].policy_version if known.history.periods else None
    order = known.first_order
    if order is None:
        raise ValueError("no order")
    return known.policy(version or order.policy_version).link(known.subscription.reference)


def _cancel(message: Envelope, data: commands.Cancel, known: Standing, now: datetime) -> Verdict:
    order = known.first_order
    if order and data.channel not in known.policy(order.policy_version).cancel_routes:
        sentence = "Only the provider can cancel this subscription: use the link."
        return Refusal("CANCEL_AT_PROVIDER", sentence, link=_link(known))
    stage = known.stage(now)
    if stage and stage.status == "expired":
        return Refusal("SUBSCRIPTION_ENDED", "The subscription has ended already.")
    if not known.history.auto_renew:
        return Refusal("NO_AUTO_RENEWAL", "Automatic renewal is off already.")
    at = _after_last_will(known, now)
    return (
        facts.Canceled(fact_id=message.cause_id, at=at, channel=data.channel, reason=data.reason),
    )


def _uncancel(
    message: Envelope, data: commands.Uncancel, known: Standing, now: datetime
) -> Verdict:
    will = known.history.effective_wills[-1]
    if will.reason != "canceled":
        return Refusal("NOT_CANCELED", "There is no cancellation to withdraw.")
    through = known.history.paid_through
    if through and now >= through:
        return Refusal("SUBSCRIPTION_ENDED", "The cancellation has taken effect already.")
    at = _after_last_will(known, now)
    return (facts.Uncanceled(fact_id=message.cause_id, at=at, channel=data.channel),)


def _after_last_will(known: Standing, now: datetime) -> datetime:
    """An instant at which the command counts last: at one instant, a cancellation counts before its withdrawal."""
    last = known.history.wills[-1]
    return now if last.at < now or last.reason == "ordered" else last.at + timedelta.resolution


def _request_refund(
    message: Envelope, data: commands.RequestRefund, known: Standing, now: datetime
) -> Verdict:
    period = known.period_of_order(data.order_id)
    if period is None:
        return Refusal("ORDER_UNKNOWN", "No paid order of this number is known.")
    case = known.case_of_order(data.order_id)
    if case:
        sentence = "A refund of this order was requested before: see its case."
        return Refusal("REFUND_EXISTS", sentence, case_id=case.case_id)
    until = refund_until(known, period)
    if until is None:
        sentence = "The provider offers no refund of this payment through us: use the link."
        return Refusal("REFUND_NOT_OFFERED", sentence, link=_link(known))
    requested_at = min(data.requested_at or message.time, now)
    subscription_id = known.subscription.subscription_id
    if not _identified(data.identity, known, period):
        told = data.identity
        told_text = f"{told.purchased_on}\n{told.name_digest}\n{told.email_digest}"
        attempt = uuid5(subscription_id, f"refund-attempt\n{data.order_id}\n{told_text}")
        if attempt in known.cases:
            sentence = "The same request was declined before: see its case."
            return Refusal("REFUND_EXISTS", sentence, case_id=attempt)
        return (_declined(message, attempt, period, requested_at, now, "IDENTITY_MISMATCH"),)
    case_id = uuid5(subscription_id, f"refund\n{data.order_id}")
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


def _approve(
    message: Envelope, data: commands.ApproveRefund, known: Standing, now: datetime
) -> Verdict:
    case = _waiting_case(known, data.case_id)
    if isinstance(case, Refusal):
        return case
    period = known.period_of_order(case.order_id)
    if period is None:
        raise ValueError("a refund case without its period")
    return (approval(known, case, period, message.cause_id, now),)


def _decline(
    message: Envelope, data: commands.DeclineRefund, known: Standing, now: datetime
) -> Verdict:
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
