"""What upstream and notifications tell becomes facts; personal data stops here."""

from datetime import datetime

from contracts import notifications, payments
from contracts.envelope import Envelope
from contracts.errors import Impossible
from contracts.identity import identity_digest
from contracts.policy import Policies
from contracts.values import customer_id
from ledger.calendar import zone
from services.billing.domain import facts


def facts_of(
    message: Envelope, policies: Policies, now: datetime, digest_key: bytes
) -> tuple[facts.AnyFact, ...]:
    """The facts that a message tells; none when it does not concern billing.

    Raises Impossible for an unknown provider or time zone.
    """
    if not policies.knows(message.providerid):
        raise Impossible(
            "unknown_provider", f"No policy pack of provider '{message.providerid}' is loaded."
        )
    version = policies.in_force(message.providerid, message.time).version
    data, fact_id, at = message.data, message.cause_id, message.time
    match data:
        case payments.OrderPlaced():
            return (_ordered(message, data, policies, version, digest_key),)
        case payments.PaymentSucceeded():
            return (
                facts.Paid(
                    fact_id=fact_id,
                    at=at,
                    order_id=data.order_id,
                    kind=data.kind,
                    amount=data.amount,
                    given=data.period,
                    charge_id=data.charge_id,
                    received_at=now,
                    policy_version=version,
                ),
            )
        case payments.PaymentFailed():
            fields = data.model_dump()
            return (facts.Failed.model_validate({**fields, "fact_id": fact_id, "at": at}),)
        case payments.RefundSucceeded():
            return (
                facts.RefundSettled(
                    fact_id=fact_id,
                    at=at,
                    order_id=data.order_id,
                    amount=data.amount,
                    full=data.full,
                    refund_id=data.refund_id,
                    requested_at=data.requested_at,
                ),
            )
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
        case payments.CancellationRequested():
            return (
                facts.Canceled(fact_id=fact_id, at=at, channel=data.channel, reason=data.reason),
            )
        case payments.CancellationWithdrawn():
            return (facts.Uncanceled(fact_id=fact_id, at=at, channel=data.channel),)
        case notifications.MailAccepted() if data.kind == "renewal-reminder":
            if data.renews and data.end:
                return (
                    facts.ReminderProven(
                        fact_id=fact_id, at=data.at, renews=data.renews, end=data.end
                    ),
                )
    return ()


def _ordered(
    message: Envelope,
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
        fact_id=message.cause_id,
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
