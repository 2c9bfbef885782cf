"""The letter: everything that a template may show of one notice, as plain JSON."""

from datetime import datetime
from uuid import UUID

from pydantic import JsonValue

from contracts.policy import Policies
from services.notifications.domain.correspondence import Correspondence, Notice


def letter(
    state: Correspondence, notice: Notice, policies: Policies, now: datetime
) -> dict[str, JsonValue]:
    """What the letter shows; only what is known has a key.

    The management link (S-54) and the sender's name come from the provider's pack in force.
    Raises UnknownPolicy when no pack of the provider is loaded.
    """
    pack = policies.in_force(state.provider_id, now)
    shown: dict[str, JsonValue] = {"provider_name": pack.name, "auto_renew": state.auto_renew}
    if state.subscriber is not None:
        shown["link"] = pack.link(state.subscriber.reference)
        shown["reference"] = state.subscriber.reference
        shown["billing_tz"] = state.subscriber.billing_tz
        shown["plan"] = state.subscriber.plan.model_dump(mode="json")
    period_id = notice.params.get("period_id")
    period = state.period(UUID(period_id)) if isinstance(period_id, str) else None
    if period is not None:
        shown["period"] = period.model_dump(
            mode="json", exclude_none=True, include={"start", "end", "refund_until"}
        )
    return {**shown, **notice.params}
