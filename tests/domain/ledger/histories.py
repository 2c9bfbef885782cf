"""Words for histories: periods and wills in one line each."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID, uuid5

from contracts.policy import ProviderPolicy
from contracts.values import Money, Plan, ProductType
from ledger.history import History, PaidPeriod, Taken, Will, WillReason
from ledger.stage import Stage
from ledger.timeline import timeline
from tests.support.story import POLICIES, utc

ROOT = UUID(int=7)
PACK = POLICIES.packs["online-store"][0]


def named(name: str) -> UUID:
    """A stable id for a name."""
    return uuid5(ROOT, name)


def period(
    start: str,
    end: str | None,
    paid: str | None = None,
    product: ProductType = "update-and-protection",
    taken: Taken | None = None,
) -> PaidPeriod:
    """A period of the plan `product`, paid at its start unless said otherwise; known by its start."""
    return PaidPeriod(
        fact_id=named(f"paid {start}"),
        period_id=named(start),
        order_id=start,
        kind="initial",
        ordinal=1,
        amount=Money(minor=100, currency="EUR"),
        plan=Plan(product_id="p", product_type=product, term="P1Y", seats=1),
        ordered_at=utc(paid or start),
        paid_at=utc(paid or start),
        start=utc(start),
        end=utc(end) if end else None,
        basis="from_now",
        policy_version="v",
        anchor=utc(start),
        step=1,
        taken=taken,
    )


def taken(
    at: str,
    reason: Literal["refunded", "refunded_renewal"] = "refunded",
    upcoming: bool = False,
    back: str | None = None,
) -> Taken:
    """A refund at `at` that failed at `back`."""
    return Taken(named(f"refund {at}"), utc(at), reason, upcoming, utc(back) if back else None)


def will(at: str, reason: WillReason) -> Will:
    """A change of will; ordering and withdrawing switch renewal on."""
    return Will(named(f"{reason} {at}"), utc(at), reason in ("ordered", "withdrawn"), reason)


def stages(
    *periods: PaidPeriod,
    wills: tuple[Will, ...] = (),
    charged: tuple[str, ...] = (),
    **policy: Any,
) -> list[tuple[str, str]]:
    """The timeline as status (with reason) and instant, under the pack with `policy` changed."""
    return [
        (_told(stage), _short(stage.start)) for stage in _timeline(periods, wills, charged, policy)
    ]


def timeline_of(*periods: PaidPeriod, **policy: Any) -> tuple[Stage, ...]:
    """The timeline of these periods, renewal on."""
    return _timeline(periods, (), (), policy)


def _timeline(
    periods: tuple[PaidPeriod, ...],
    wills: tuple[Will, ...],
    charged: tuple[str, ...],
    policy: dict[str, Any],
) -> tuple[Stage, ...]:
    history = History(charged=tuple((named("asked"), named(start)) for start in charged))
    for known in periods:
        history = history.with_period(known)
    for change in (will("2020-01-01", "ordered"), *wills):
        history = history.with_will(change)
    pack: ProviderPolicy = PACK.model_copy(update=policy)
    return timeline(history, lambda version: pack)


def _told(stage: Stage) -> str:
    return f"expired {stage.reason}" if stage.reason else stage.status


def _short(instant: datetime) -> str:
    text = f"{instant:%Y-%m-%dT%H:%M}"
    return text.removesuffix("T00:00")
