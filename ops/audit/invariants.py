"""The table: every invariant, its sentence, and how it is checked."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ops.audit import access, agreement, days, mail, money, order, periods
from ops.audit.dossier import Dossier
from ops.audit.findings import Findings, Notes


@dataclass(frozen=True, slots=True)
class Invariant:
    """One thing that always holds; without a check it is not judged yet, and `note` says why."""

    name: str
    sentence: str
    check: Callable[[Dossier, Notes], None] | None = None
    note: str = ""


_DEVICES = "comes with devices"

INVARIANTS: tuple[Invariant, ...] = (
    Invariant("1", "No access without a cause", access.nothing_without_cause),
    Invariant("2", "No paid, unpaused instant without full access", access.paid_is_entitled),
    Invariant("3", "At most one current period; periods never overlap", periods.no_overlap),
    Invariant(
        "4", "An upcoming period starts where the current one ends", periods.upcoming_follows
    ),
    Invariant("5", "No period charged twice, no order refunded twice", money.charged_once),
    Invariant(
        "6",
        "A cancellation never shortens paid time, a refund never lengthens it",
        periods.will_and_refund,
    ),
    Invariant("7", "Pause and resume conserve the days", days.pauses_conserve),
    Invariant("8", "No more devices than seats", note=_DEVICES),
    Invariant("9", "The first activation never moves later", note=_DEVICES),
    Invariant("10", "No mail twice, no charge before its reminder", mail.once_and_in_time),
    Invariant("11", "Refund and cancellation commute", order.cancel_and_refund_commute),
    Invariant("12", "Any order of the same facts ends in the same state", order.any_order),
    Invariant("13", "A late timer changes no answer", access.announced_as_derived),
    Invariant("14", "What expired as refunded never gets grace", access.no_grace_after_refund),
    Invariant("periods", "Billing and licensing agree about periods", agreement.periods_agree),
    Invariant("cache", "The cached entitlement is the derived access", agreement.cache_is_true),
    Invariant("sequences", "Sequences have no gaps", agreement.no_gap),
    Invariant("payments", "Every payment is answered once", money.answered_once),
    Invariant("requests", "Requests to payment systems are told", money.requested_as_told),
    Invariant("confirmed", "Every first payment is confirmed once", mail.confirmed),
    Invariant("ledger", "The mail ledger ends as told", mail.ledger_as_told),
    Invariant("copies", "The mail server holds each mail once", mail.held_once),
    Invariant("readable", "Every state and message can be read", agreement.all_readable),
    Invariant("letters", "No dead letter waits"),
    Invariant("progress", "Work that is due is done"),
)


def examine(dossier: Dossier, findings: Findings) -> None:
    """Check one subscription by all invariants."""
    for invariant in INVARIANTS:
        if invariant.check:
            notes = findings.notes(invariant.name, dossier.subscription_id)
            try:
                invariant.check(dossier, notes)
            except Exception as error:  # what is stored may be spoilt so that any function stumbles
                words = f"{type(error).__name__}: {error}"
                notes.wrong("NOT_JUDGED", f"What is stored cannot be judged ({words}).")


def examine_all(dossiers: Iterable[Dossier]) -> Findings:
    """Check some subscriptions."""
    findings = Findings()
    for dossier in dossiers:
        examine(dossier, findings)
    return findings
