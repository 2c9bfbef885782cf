"""A provider policy in words: what each field says, and what a change of it does for customers."""

from dataclasses import dataclass
from typing import Any

from contracts.policy import ProviderPolicy
from ops.policy_phrases import Words, choice, duration, some, value

_CHANNELS = {
    "account": "on the account page",
    "support": "through our support",
    "provider": "on the provider's page",
}
_PAUSES = {
    "freeze_term": "at once with unused time kept",
    "run_term": "at once while paid time runs on",
    "at_period_end": "from the end of the current period",
}
_SETTINGS = {"seats": "the number of seats", "term": "the term", "product_id": "the product"}
_KINDS = {
    "initial": "first payments",
    "renewal": "automatic renewals",
    "manual": "manual renewals",
    "prepayment": "prepayments",
}

WORDS: dict[str, Words] = {
    "provider_id": value("Provider", "{}", "The provider is {}"),
    "effective_from": value("In force", "from {}", "The version is in force from {}"),
    "name": value("Name", "{}", "Customers read the name {}"),
    "management_url": value("Management link", "{}", "The management link is {}"),
    "charge": choice(
        "Renewal charges",
        {"by_us": "we ask for each", "by_provider": "the provider charges by itself"},
        {
            "by_us": "We ask for renewal charges, which the provider no longer makes by itself",
            "by_provider": "The provider charges renewals by itself; we no longer ask for them",
        },
    ),
    "renewal_reminder_lead": duration(
        "Renewal reminder",
        "{} before the end",
        "at the end",
        changes="The renewal reminder is sent {} before the end",
    ),
    "renewal_charge_lead": duration(
        "Renewal charge",
        "{} before the end",
        "at the end",
        changes="A renewal is charged {} before the end",
        gained="A renewal is charged {} before the end instead of at the end",
        lost="A renewal is charged at the end and no longer before it",
    ),
    "reminder_min_notice": duration(
        "Notice before a charge",
        "a charge waits until {} after the reminder was accepted, never past the end",
        "none: a charge may follow the reminder at once",
        changes="A charge waits {} after the reminder was accepted",
        gained="A charge waits until {} after the reminder was accepted",
        lost="A charge may follow the reminder at once",
    ),
    "unproven_reminder": choice(
        "Reminder that nobody accepted",
        {
            "charge": "the renewal is charged all the same",
            "wait": "the charge waits, never past the end",
        },
        {
            "charge": "A renewal is charged even when no mail server accepted its reminder",
            "wait": "A renewal charge waits when no mail server accepted its reminder",
        },
    ),
    "grace": duration(
        "Grace",
        "{} after the end with unchanged functionality",
        "none: access ends with what is paid",
        changes="A failed renewal keeps access {}",
        gained="A failed renewal keeps access for {}, where there was no grace",
        lost="A failed renewal no longer keeps access: there is no grace",
    ),
    "hold": duration(
        "Hold",
        "{} after grace without access, in which a payment brings the subscription back",
        "none: the subscription expires after grace",
        changes="After grace a payment brings the subscription back for {}",
        gained="After grace a payment brings the subscription back for {}, where there was no hold",
        lost="After grace the subscription expires at once: there is no hold",
    ),
    "incomplete_ttl": duration(
        "First payment",
        "an order waits {} for it",
        "an order does not wait for it",
        changes="An order waits {} for its first payment",
        gained="An order waits {} for its first payment, where it did not wait",
        lost="An order no longer waits for its first payment",
    ),
    "cancel_routes": some(
        "Cancellation",
        _CHANNELS,
        says="takes effect at once {}",
        also="A cancellation also takes effect at once {}",
        no_longer="A cancellation no longer takes effect at once {}",
    ),
    "cancel_in_grace": choice(
        "Cancellation in grace",
        {"end_now": "ends access at once", "at_grace_end": "ends access at the end of grace"},
        {
            "end_now": "A cancellation in grace ends access at once and no longer at the end of grace",
            "at_grace_end": "A cancellation in grace ends access at the end of grace and no longer at once",
        },
    ),
    "cancel_handover": some(
        "Cancellation handed over",
        _CHANNELS,
        says="begun {}, it is finished on the provider's page",
        none="never",
        also="A cancellation begun {} is now finished on the provider's page",
        no_longer="A cancellation begun {} is no longer handed over to the provider's page",
        begun="A cancellation begun {} is now finished on the provider's page",
        emptied="No cancellation is handed over to the provider's page any more",
    ),
    "cancel_handover_within": duration(
        "Confirmation by the provider",
        "{} to wait for, then an operator is told",
        "not waited for",
        changes="The provider has {} to confirm a cancellation handed over",
        gained="The provider has {} to confirm a cancellation handed over",
        lost="The provider has no cancellation to confirm any more",
    ),
    "pause_modes": some(
        "Pause",
        _PAUSES,
        says="{}",
        none="not offered",
        also="Customers can also pause {}",
        no_longer="Customers can no longer pause {}",
        begun="Customers can now pause {}",
        emptied="Customers can no longer pause",
        first="A pause without a wish begins {} instead of {}",
    ),
    "max_pause": duration(
        "Longest pause",
        "{}",
        "none",
        changes="A pause lasts at most {}",
        gained="A pause lasts at most {}, where there was none",
        lost="There is no longest pause any more",
    ),
    "pause_grace": duration(
        "Access in a pause",
        "everything works for {} after its start",
        "none",
        changes="A pause leaves everything usable for {}",
        gained="A pause leaves everything usable for {} after its start, where access ended at once",
        lost="A pause takes access away at once",
    ),
    "settings_changes": some(
        "Customers can change",
        _SETTINGS,
        says="{}",
        none="nothing",
        also="Customers can also change {}",
        no_longer="Customers can no longer change {}",
        begun="Customers can now change {}",
        emptied="Customers can no longer change settings",
    ),
    "hold_on_dispute": choice(
        "Open dispute",
        {True: "takes access away until it is decided", False: "leaves access as it is"},
        {
            True: "An open dispute takes access away until it is decided",
            False: "An open dispute no longer takes access away",
        },
    ),
    "refund_window": duration(
        "Refund",
        "can be asked for until the end of the day {} after the order",
        "not offered",
        changes="A refund can be asked for {} after the order",
        gained="A refund can be asked for until {} after the order, where there was none",
        lost="Customers can no longer ask for a refund",
    ),
    "refund_tz": value("Days of refunds", "counted in {}", "The days of refunds are counted in {}"),
    "refundable_kinds": some(
        "Refundable",
        _KINDS,
        says="{}",
        none="nothing",
        also="A refund is also possible for {}",
        no_longer="A refund is no longer possible for {}",
        begun="A refund is possible for {}",
        emptied="A refund is possible for no payment any more",
    ),
    "billing_tz": value(
        "Months and years",
        "counted in {}, when the order names no time zone",
        "Months and years are counted in {}, when the order names no time zone",
    ),
    "holidays": value(
        "Business days",
        "Monday to Friday, leaving out {}",
        "Business days leave out {}",
        lambda country: f"holidays in {country}" if country else "no holidays",
    ),
}


@dataclass(frozen=True)
class Change:
    """One field that differs between two packs, with what that does in a sentence."""

    field: str
    old: Any
    new: Any
    sentence: str


def changes(old: ProviderPolicy, new: ProviderPolicy) -> list[Change]:
    """What behaves differently under `new`, in the order of the fields; nothing for equal packs."""
    told = []
    for name, words in WORDS.items():
        was, becomes = getattr(old, name), getattr(new, name)
        if was != becomes:
            told.append(Change(name, was, becomes, words.changes(was, becomes)))
    return told
