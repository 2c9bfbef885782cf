"""What upstream and notifications tell becomes facts; personal data stops here."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from contracts import notifications, payments
from contracts.envelope import Envelope
from contracts.errors import Impossible
from contracts.identity import identity_digest
from contracts.policy import Policies
from contracts.values import customer_id
from ledger.calendar import zone
from services.billing.domain import facts
from services.billing.domain.disputes import dispute_fact
from services.billing.domain.pauses import pause_fact
from services.billing.domain.settings import settings_fact

#: How far upstream's clock may run ahead of ours.
AHEAD_AT_MOST = timedelta(days=1)


def facts_of(
    message: Envelope, fact_id: UUID, policies: Policies, now: datetime, digest_key: bytes
) -> tuple[facts.AnyFact, ...]:
    """The facts that a message tells; none when it does not concern billing.

    Raises Impossible for an unknown provider or time zone, or a time in the far future.
    """
    if not policies.knows(message.providerid):
        raise Impossible(
            "unknown_provider", f"No policy pack of provider '{message.providerid}' is loaded."
        )
    if message.time > now + AHEAD_AT_MOST:
        raise Impossible("far_future", "Field 'time' lies more than a day ahead of our clock.")
    data, at = message.data, message.time
    version = policies.in_force(message.providerid, at).version
    match data:
        case payments.OrderPlaced():
            return (_ordered(message, fact_id, data, policies, version, digest_key),)
        case payments.PaymentSucceeded():
            return (_paid(fact_id, at, data, version, now),)
        case payments.PaymentFailed():
            return (_failed(fact_id, at, data),)
        case payments.RefundSucceeded():
            return (_refunded(fact_id, at, data),)
        case payments.RefundFailed():
            return (
                facts.RefundFailed(
                    fact_id=fact_id,
                    at=at,
                    order_id=data.order_id,
                    refund_id=data.refund_id,
                    reason=data.reason,
                ),
            )
        case payments.CancellationRequested(channel=channel, reason=reason):
            return (facts.Canceled(fact_id=fact_id, at=at, channel=channel, reason=reason),)
        case payments.CancellationWithdrawn(channel=channel):
            return (facts.Uncanceled(fact_id=fact_id, at=at, channel=channel),)
        case payments.PauseRequested() | payments.ResumeRequested():
            return (pause_fact(fact_id, at, data),)
        case payments.SettingsChanged():
            return (settings_fact(fact_id, at, data),)
        case payments.DisputeEvent():
            return (dispute_fact(fact_id, at, data),)
        case notifications.MailAccepted(kind="renewal-reminder", renews=UUID() as renews) if (
            data.end
        ):
            return (facts.ReminderProven(fact_id=fact_id, at=data.at, renews=renews, end=data.end),)
    return ()


def _paid(
    fact_id: UUID, at: datetime, data: payments.PaymentSucceeded, version: str, now: datetime
) -> facts.Paid:
    return facts.Paid(
        fact_id=fact_id,
        at=at,
        order_id=data.order_id,
        kind=data.kind,
        amount=data.amount,
        given=data.period,
        charge_id=data.charge_id,
        received_at=now,
        policy_version=version,
    )


def _failed(fact_id: UUID, at: datetime, data: payments.PaymentFailed) -> facts.Failed:
    return facts.Failed(
        fact_id=fact_id,
        at=at,
        order_id=data.order_id,
        kind=data.kind,
        amount=data.amount,
        charge_id=data.charge_id,
        attempt=data.attempt,
        hard_decline=data.hard_decline,
        next_attempt_at=data.next_attempt_at,
        reason=data.reason,
    )


def _refunded(fact_id: UUID, at: datetime, data: payments.RefundSucceeded) -> facts.RefundSettled:
    return facts.RefundSettled(
        fact_id=fact_id,
        at=at,
        order_id=data.order_id,
        amount=data.amount,
        full=data.full,
        refund_id=data.refund_id,
        requested_at=data.requested_at,
    )


def _ordered(
    message: Envelope,
    fact_id: UUID,
    data: payments.OrderPlaced,
    policies: Policies,
    version: str,
    digest_key: bytes,
) -> facts.Ordered:
    policy = policies.stamped(message.providerid, version)
    billing_tz = data.billing_tz or policy.billing_tz
    for name in (billing_tz, data.customer.time_zone or "UTC"):
        try:
            zone(name)
        except ValueError as error:
            raise Impossible("unknown_time_zone", f"{error}.") from None
    return facts.Ordered(
        fact_id=fact_id,
        at=message.time,
        order_id=data.order_id,
        customer_id=customer_id(message.providerid, data.customer.customer_ref),
        plan=data.plan,
        amount=data.amount,
        auto_renew=data.auto_renew,
        billing_tz=billing_tz,
        name_digest=identity_digest(digest_key, data.customer.name),
        email_digest=identity_digest(digest_key, data.customer.email),
        policy_version=version,
    )


def answering(fact: facts.AnyFact, known: Iterable[facts.AnyFact]) -> facts.AnyFact:
    """The fact as the answer to what we asked for, not earlier than that: upstream's clock may run behind.

    A refund without a refund_id answers the open one of its order, first of a payment that bought
    nothing: such a payment may share its order with one that bought a period, which stays paid.
    """
    match fact:
        case facts.Paid() | facts.Failed() if fact.charge_id:
            charges = (a for a in known if isinstance(a, facts.ChargeRequested))
            asked_at = [a.at for a in charges if a.charge_id == fact.charge_id]
        case facts.RefundSettled() if fact.refund_id is None:
            refund = next(iter(_open_refunds(fact, known)), None)
            if refund is None:
                return fact
            fact, asked_at = replace(fact, refund_id=refund.refund_id), [refund.at]
        case facts.RefundSettled() | facts.RefundFailed():
            refunds = (a for a in known if isinstance(a, facts.CaseApproved))
            asked_at = [a.at for a in refunds if a.refund_id == fact.refund_id]
        case _:
            return fact
    return replace(fact, at=max([fact.at, *asked_at]))


def _open_refunds(
    fact: facts.RefundSettled, known: Iterable[facts.AnyFact]
) -> list[facts.CaseApproved]:
    over = {
        f.refund_id for f in known if isinstance(f, facts.RefundSettled | facts.RefundFailed)
    } | {f.fact_id for f in known if isinstance(f, facts.RefundSettled)}
    found = [
        asked
        for asked in known
        if isinstance(asked, facts.CaseApproved)
        and (asked.order_id, asked.amount) == (fact.order_id, fact.amount)
        and asked.refund_id not in over
    ]
    return sorted(found, key=lambda asked: asked.refused_payment is None)
