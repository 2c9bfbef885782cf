"""The known input: customers whose orders and payments arrive mixed, with repetitions."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from contracts.values import subscription_id
from devstack.behaviour import DECLINES, Attempt, Behaviour, Customer, opening

START = datetime(2025, 3, 3, 9, tzinfo=UTC)
#: Where the clock of a scene stands, so that orders and payments lie shortly before.
NOW = START + timedelta(hours=1)
_RECOVERS = Behaviour(charges=((Attempt(7200, "declined"), Attempt(17 * 86400, "paid")),))


def people(tag: str, count: int, at: datetime = START) -> list[Customer]:
    """New customers, two of three at the online store; every fourth pays before the order."""
    return [
        Customer(
            provider_id="isp-classic" if number % 3 == 2 else "online-store",
            reference=f"{tag}-{number}",
            name=f"Customer {number}",
            email=f"{tag}.{number}@example.com",
            ordered_at=at,
            payment_after_s=-60 if number % 4 == 1 else 60,
        )
        for number in range(count)
    ]


def lives(tag: str, count: int) -> list[Customer]:
    """Customers for more than a year: two renew, one lapses, one recovers in grace, in turn."""
    ways = (Behaviour(), Behaviour(repeats=True), Behaviour(charges=(DECLINES,)), _RECOVERS)
    return [
        replace(
            customer, provider_id="online-store", payment_after_s=60, behaviour=ways[number % 4]
        )
        for number, customer in enumerate(people(tag, count))
    ]


def id_of(customer: Customer) -> UUID:
    """The subscription of a customer."""
    return subscription_id(customer.provider_id, customer.reference)


def mixed(customers: Sequence[Customer], seed: int = 1) -> list[dict[str, Any]]:
    """The orders and payments in any order, every third sent twice, both at random places."""
    messages = [p.message for customer in customers for p in opening(customer)]
    messages += messages[::3]
    Random(seed).shuffle(messages)
    return messages


#: Everything that is said about a subscription whose first order was paid, and nothing else.
FIRST_ORDER = Counter(
    {
        "billing.subscription-created": 1,
        "billing.payment-succeeded": 1,
        "billing.period-scheduled": 1,
        "licensing.period-started": 1,
        "licensing.entitlement-granted": 1,
        "notifications.mail-requested": 1,
        "notifications.mail-accepted": 1,
    }
)
_CHARGED = FIRST_ORDER + Counter(
    {"billing.renewal-reminder-due": 1, "billing.renewal-charge-requested": 1}
)
_PAID = Counter(
    {
        "billing.payment-succeeded": 1,
        "billing.period-scheduled": 1,
        "licensing.period-started": 1,
        "licensing.period-ended": 1,
        "licensing.entitlement-extended": 1,
    }
)
_GRACE = Counter({"licensing.grace-started": 1, "licensing.entitlement-extended": 1})


def _mailed(count: int) -> Counter[str]:
    return Counter({"notifications.mail-requested": count, "notifications.mail-accepted": count})


# reminder and receipt
_RENEWED = _CHARGED + _PAID + Counter({"licensing.subscription-renewed": 1}) + _mailed(2)
# reminder, failed charge, grace, recovery, receipt
_RECOVERED = (
    _CHARGED
    + _PAID
    + _GRACE
    + Counter({"billing.payment-failed": 1, "licensing.recovered": 1})
    + _mailed(5)
)
# reminder, three failed charges, grace, hold, expiry
_LAPSED = (
    _CHARGED
    + _GRACE
    + Counter(
        {
            "billing.payment-failed": 3,
            "licensing.period-ended": 1,
            "licensing.grace-ended": 1,
            "licensing.hold-started": 1,
            "licensing.entitlement-suspended": 1,
            "licensing.expired": 1,
            "licensing.entitlement-ended": 1,
        }
    )
    + _mailed(7)
)


def told_in_a_year(customer: Customer) -> Counter[str]:
    """Everything that is said about one of `lives` until ten days after the last stage."""
    ways = {(DECLINES,): _LAPSED, _RECOVERS.charges: _RECOVERED}
    return ways.get(customer.behaviour.charges, _RENEWED)
