"""The lives of the demo's customers: who orders when, from whom, and what will happen to them.

Orders come at a few fixed times of day, so that deadlines coincide and the clock has fewer stops.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from devstack.behaviour import DECLINES, Attempt, Behaviour, Customer, Later, instant

START = datetime(2025, 1, 6, 9, tzinfo=UTC)
#: Orders of the demo are placed on these days only.
ORDER_DAYS = (0, 1, 3, 7, 14, 21, 28, 35)
_NAMES = (
    "Ann Lee", "Bruno Costa", "Chloé Martin", "Dmitri Ivanov", "Elif Kaya", "Farid Haddad",
    "Greta Olsen", "Hugo Weiß", "Inés García", "Jonas Berg", "Kaito Mori", "Lena Fischer",
)  # fmt: skip

Ending = Literal[
    "renews",
    "lapses",
    "recovers_in_grace",
    "recovers_in_hold",
    "cancels",
    "cancels_after_charge",
    "refunds_first",
    "refunds_renewal",
    "pauses",
    "disputes",
    "changes_seats",
]
What = Literal["cancel", "refund_first", "refund_renewal", "pause", "change_seats"]


@dataclass(frozen=True, slots=True)
class Act:
    """What an operator or the customer does through our own commands, at an instant."""

    at: datetime
    reference: str
    provider_id: str
    what: What


@dataclass(frozen=True, slots=True)
class Life:
    """One customer with the ending that is foreseen, and the commands on the way."""

    customer: Customer
    ending: Ending
    acts: tuple[Act, ...] = ()


_STORE: tuple[Ending, ...] = (
    "renews", "disputes", "lapses", "changes_seats", "recovers_in_grace", "cancels", "renews",
    "refunds_first", "recovers_in_hold", "pauses", "refunds_renewal", "cancels_after_charge",
)  # fmt: skip
_ISP: tuple[Ending, ...] = ("renews", "pauses", "lapses", "cancels", "recovers_in_grace")
_DAY = timedelta(days=1)


def lives(count: int = 36, days: Sequence[int] = ORDER_DAYS) -> list[Life]:
    """Lives over both providers, who order on these days in turn; two of three at the online store."""
    found = []
    for number in range(count):
        at = START + days[number % len(days)] * _DAY
        at += timedelta(hours=3 * (number % 3))
        name = _NAMES[number % len(_NAMES)]
        make = _isp if number % 3 == 2 else _store
        found.append(make(number, name, at))
    return found


def _email(name: str, number: int) -> str:
    ascii_name = name.encode("ascii", "ignore").decode().lower().replace(" ", ".")
    return f"{ascii_name}.{number}@example.com"


def _store(number: int, name: str, at: datetime) -> Life:
    reference = f"S-{1000 + number}"
    ending = _STORE[(number - number // 3) % len(_STORE)]
    charges: dict[str, tuple[tuple[Attempt, ...], ...]] = {
        "lapses": (DECLINES,),
        "recovers_in_grace": (((Attempt(7200, "declined")), Attempt(17 * 86400, "paid")),),
        "recovers_in_hold": (((Attempt(7200, "declined")), Attempt(30 * 86400, "paid")),),
    }
    behaviour = Behaviour(charges=charges[ending]) if ending in charges else Behaviour()
    behaviour = Behaviour(charges=behaviour.charges, repeats=number % 5 == 0)
    customer = Customer(
        provider_id="online-store",
        reference=reference,
        name=name,
        email=_email(name, number),
        locale="de" if number % 4 == 3 else "en",
        ordered_at=at,
        payment_after_s=-120 if number % 7 == 3 else 0 if number % 7 == 4 else 60,
        behaviour=behaviour,
        later=_dispute(reference, at) if ending == "disputes" else (),
    )
    return Life(customer, ending, _acts(customer, ending))


def _dispute(reference: str, at: datetime) -> tuple[Later, ...]:
    """The bank asks for the money of the first order back, and gets it five weeks later."""
    disputed = {
        "order_id": f"{reference}-1",
        "dispute_id": f"D-{reference}",
        "amount": {"minor": 4999, "currency": "EUR"},
        "reason": "not recognised",
    }
    return (
        (at + 40 * _DAY, "payments.dispute-opened.v1", disputed),
        (at + 75 * _DAY, "payments.dispute-lost.v1", disputed),
    )


def _acts(customer: Customer, ending: Ending) -> tuple[Act, ...]:
    at, year = customer.ordered_at, timedelta(days=365)
    plans: dict[str, tuple[timedelta, What]] = {
        "cancels": (200 * _DAY, "cancel"),
        "cancels_after_charge": (year - 10 * _DAY, "cancel"),
        "refunds_first": (12 * _DAY, "refund_first"),
        "refunds_renewal": (year - 6 * _DAY, "refund_renewal"),
        "pauses": (year - 65 * _DAY, "pause"),
        "changes_seats": (150 * _DAY, "change_seats"),
    }
    if ending not in plans:
        return ()
    after, what = plans[ending]
    return (Act(at + after, customer.reference, customer.provider_id, what),)


def _isp(number: int, name: str, at: datetime) -> Life:
    """The provider charges, cancels and pauses by itself."""
    reference = f"I-{2000 + number}"
    ending = _ISP[number // 3 % len(_ISP)]
    end = at.replace(year=at.year + 1) + timedelta(minutes=1)
    away = timedelta(days=20)
    paid: dict[str, Any] = {
        "order_id": f"{reference}-2",
        "kind": "renewal",
        "amount": {"minor": 299, "currency": "EUR"},
    }
    resumes = {"mode": "freeze_term", "resumes_at": instant(at + 90 * _DAY)}
    later: dict[str, tuple[Later, ...]] = {
        "renews": ((end - 5 * _DAY, "payments.payment-succeeded.v1", paid),),
        "recovers_in_grace": ((end + 6 * _DAY, "payments.payment-succeeded.v1", paid),),
        "cancels": (
            (at + 100 * _DAY, "payments.cancellation-requested.v1", {"channel": "provider"}),
        ),
        # Back before the pause ends by itself; the year that is left ends as much later.
        "pauses": (
            (at + 60 * _DAY, "payments.pause-requested.v1", resumes),
            (at + 60 * _DAY + away, "payments.resume-requested.v1", {}),
            (end + away - 5 * _DAY, "payments.payment-succeeded.v1", paid),
        ),
        "lapses": (),
    }
    customer = Customer(
        provider_id="isp-classic",
        reference=reference,
        name=name,
        email=_email(name, number),
        ordered_at=at,
        amount_minor=299,
        later=later[ending],
        behaviour=Behaviour(repeats=number % 4 == 1),
    )
    return Life(customer, ending)
