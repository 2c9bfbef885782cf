"""Commands about one subscription, as operators and support give them."""

from typing import Annotated

from cyclopts import Parameter

from contracts.commands import (
    Cancel,
    ChangeSettings,
    ExtendPeriod,
    Pause,
    Resume,
    Uncancel,
    UndoRenewal,
)
from contracts.values import Channel, Money, PauseMode
from ops.asking import AsJson, CommandId, SubscriptionName, ask_for, build, show
from ops.errors import WrongUsage
from ops.instants import parse_instant
from ops.terminal import run

By = Annotated[Channel, Parameter(name="--channel", help="Who asked, and where.")]
Operator = Annotated[str, Parameter(help="Who decides; kept with the decision.")]


def cancel(
    subscription: SubscriptionName,
    /,
    *,
    reason: Annotated[str | None, Parameter(help="Kept with the cancellation.")] = None,
    channel: By = "support",
    id: CommandId = None,
    json: AsJson = False,
) -> None:
    """Switch automatic renewal off; access lasts to the end of the last paid period."""
    data = build(Cancel, channel=channel, reason=reason)
    show(run(ask_for(subscription, data, id)), as_json=json)


def uncancel(
    subscription: SubscriptionName,
    /,
    *,
    channel: By = "support",
    id: CommandId = None,
    json: AsJson = False,
) -> None:
    """Switch automatic renewal on again before the end."""
    data = build(Uncancel, channel=channel)
    show(run(ask_for(subscription, data, id)), as_json=json)


def pause(
    subscription: SubscriptionName,
    /,
    *,
    until: Annotated[str, Parameter(help="When it resumes by itself.")],
    mode: Annotated[PauseMode | None, Parameter(help="Default: the provider's usual one.")] = None,
    channel: By = "support",
    id: CommandId = None,
    json: AsJson = False,
) -> None:
    """Pause, where the provider offers it."""
    data = build(Pause, channel=channel, mode=mode, resumes_at=parse_instant(until))
    show(run(ask_for(subscription, data, id)), as_json=json)


def resume(
    subscription: SubscriptionName,
    /,
    *,
    channel: By = "support",
    id: CommandId = None,
    json: AsJson = False,
) -> None:
    """End a pause now, or drop one that has not begun."""
    show(run(ask_for(subscription, build(Resume, channel=channel), id)), as_json=json)


def extend(
    subscription: SubscriptionName,
    /,
    *,
    days: Annotated[int, Parameter(help="Days of goodwill.")],
    reason: Annotated[str, Parameter(help="Kept with the extension.")],
    operator: Operator,
    id: CommandId = None,
    json: AsJson = False,
) -> None:
    """Let the current period end later, as goodwill; what follows moves with it."""
    data = build(ExtendPeriod, days=days, reason=reason, operator=operator)
    show(run(ask_for(subscription, data, id)), as_json=json)


def settings(
    subscription: SubscriptionName,
    /,
    *,
    seats: Annotated[int | None, Parameter(help="More count at once, fewer later.")] = None,
    term: Annotated[str | None, Parameter(help="From the next payment, such as P1Y.")] = None,
    product: Annotated[str | None, Parameter(help="From the next payment.")] = None,
    price: Annotated[str | None, Parameter(help="Of renewals, in minor units: '4999 EUR'.")] = None,
    channel: By = "support",
    id: CommandId = None,
    json: AsJson = False,
) -> None:
    """Change seats, term or product, where the provider offers it."""
    data = build(
        ChangeSettings,
        channel=channel,
        seats=seats,
        term=term,
        product_id=product,
        amount=_money(price),
    )
    show(run(ask_for(subscription, data, id)), as_json=json)


def _money(price: str | None) -> Money | None:
    """The amount that `4999 EUR` names. Raises WrongUsage."""
    if price is None:
        return None
    minor, _, currency = price.partition(" ")
    if not minor.isdecimal():
        raise WrongUsage(f"--price: '{price}' is no amount in minor units such as '4999 EUR'.")
    return build(Money, minor=int(minor), currency=currency)


def undo_renewal(
    subscription: SubscriptionName,
    /,
    *,
    channel: By = "support",
    id: CommandId = None,
    json: AsJson = False,
) -> None:
    """Cancel, and pay back the renewal whose period has not begun."""
    show(run(ask_for(subscription, build(UndoRenewal, channel=channel), id)), as_json=json)
