"""The command that changes settings: seats, term, product, the price of renewals (S-01)."""

from datetime import datetime, timedelta

from contracts import commands
from contracts.envelope import Envelope
from services.billing.domain import facts
from services.billing.domain.refusal import Refusal, Verdict, management_link
from services.billing.domain.settings import changed_plan, terms_in_force
from services.billing.domain.standing import Standing


def change_settings(
    message: Envelope, data: commands.ChangeSettings, known: Standing, now: datetime
) -> Verdict:
    """Change what the provider lets customers change here; when it counts follows from what it is."""
    stage, terms = known.stage(now), terms_in_force(known)
    offered: tuple[str, ...] = known.policy_at(now).settings_changes
    asked = [name for name in ("seats", "term", "product_id") if getattr(data, name) is not None]
    if not offered or not set(asked) <= set(offered):
        sentence = "The provider offers this change only on its own page: use the link."
        return Refusal("CAPABILITY_NOT_OFFERED", sentence, link=management_link(known))
    if stage is None or terms is None:
        return Refusal("NOT_ACTIVE", "Nothing is paid yet.")
    if stage.status == "expired":
        return Refusal("SUBSCRIPTION_ENDED", "The subscription has ended already.")
    fact = facts.SettingsChanged(
        fact_id=message.cause_id,
        at=_after_what_was_agreed(known, now),
        seats=data.seats,
        term=data.term,
        product_id=data.product_id,
        amount=data.amount,
    )
    if (changed_plan(terms.plan, fact), fact.amount or terms.amount) == (terms.plan, terms.amount):
        return Refusal("NOTHING_CHANGES", "The settings are so already.")
    return (fact,)


def _after_what_was_agreed(known: Standing, now: datetime) -> datetime:
    """An instant after the payments, charges and settings so far: at one instant, settings count first."""
    agreed = facts.Paid | facts.ChargeRequested | facts.SettingsChanged
    instants = [fact.at for fact in known.subscription.facts if isinstance(fact, agreed)]
    return max([now, *(at + timedelta.resolution for at in instants if at >= now)])
