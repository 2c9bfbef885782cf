"""Invariants of mail: 10 no mail twice, no charge without its reminder; confirmations, and mails as held."""

from collections import defaultdict
from datetime import datetime
from uuid import UUID

from contracts import billing
from contracts.envelope import Envelope
from contracts.notifications import MailAccepted, MailEvent, MailRequested
from ops.audit.dossier import Dossier
from ops.audit.findings import Notes
from services.notifications.domain.correspondence import notice_id
from services.notifications.domain.rules import requested_by


def once_and_in_time(dossier: Dossier, notes: Notes) -> None:
    """10: each notice is accepted once under the one id of its natural key, a reminder before its charge."""
    _accepted_once(dossier, notes)
    _known_by_key(dossier, notes)
    _reminded_before_charged(dossier, notes)


def _accepted_once(dossier: Dossier, notes: Notes) -> None:
    accepted: dict[UUID, list[Envelope]] = defaultdict(list)
    for message in dossier.notifications:
        if isinstance(message.data, MailAccepted):
            accepted[message.data.notice_id].append(message)
    notes.saw(len(accepted))
    for notice, messages in accepted.items():
        if len(messages) > 1:
            sentence = f"Mail {notice} was accepted {len(messages)} times."
            notes.wrong("MAILED_TWICE", sentence, events=messages)


def _known_by_key(dossier: Dossier, notes: Notes) -> None:
    """A notice has the id that follows from its kind and natural key, so that there is no second one."""
    causes = {message.id: message for message in (*dossier.billing, *dossier.licensing)}
    for message in dossier.notifications:
        data = message.data
        if not isinstance(data, MailRequested | MailAccepted):
            continue
        cause = causes.get(data.requested_by)
        rule = requested_by(cause.data) if cause else None
        if cause is None or rule is None:
            continue  # out of retention
        notes.saw()
        own = notice_id(dossier.subscription_id, rule.kind, rule.key(cause.data))
        if (data.kind, data.notice_id) != (rule.kind, own):
            sentence = f"The mail {data.kind} was asked for a second time under another id."
            notes.wrong("MAILED_TWICE", sentence, at=[data.at], events=[message])


def _reminded_before_charged(dossier: Dossier, notes: Notes) -> None:
    """Each charge follows an accepted reminder of the period it renews, or says why it does not (S-52)."""
    if not dossier.complete:
        return
    proven: dict[UUID, datetime] = {}
    for message in dossier.notifications:
        mail = message.data
        if isinstance(mail, MailAccepted) and mail.kind == "renewal-reminder" and mail.renews:
            proven.setdefault(mail.renews, mail.at)
    waived = {
        message.data.renews
        for message in dossier.billing
        if isinstance(message.data, billing.ReminderWaived)
    }
    for message in dossier.billing:
        data = message.data
        if not isinstance(data, billing.RenewalChargeRequested):
            continue
        notes.saw()
        at = proven.get(data.renews)
        if data.renews not in waived and (at is None or at > data.effective_at):
            sentence = f"Charge {data.charge_id} was not preceded by a reminder."
            notes.wrong(
                "CHARGED_WITHOUT_REMINDER", sentence, at=[data.effective_at, at], events=[message]
            )


def confirmed(dossier: Dossier, notes: Notes) -> None:
    """Each first payment asks for one confirmation, which was accepted once or has another end (S-54)."""
    mails: dict[str, list[MailEvent]] = defaultdict(list)
    for message in dossier.notifications:
        data = message.data
        if isinstance(data, MailEvent) and data.kind == "order-confirmation":
            mails[data.requested_by].append(data)
    for message in dossier.billing:
        paid = message.data
        if isinstance(paid, billing.PaymentSucceeded) and paid.kind == "initial":
            notes.saw()
            told = mails[message.id]
            accepted = sum(isinstance(mail, MailAccepted) for mail in told)
            if not told or accepted > 1:
                sentence = f"Order {paid.order_id} was confirmed {accepted} times."
                notes.wrong("CONFIRMATION_NOT_ONCE", sentence, at=[message.time], events=[message])


def held_once(dossier: Dossier, notes: Notes) -> None:
    """The mail server holds each accepted mail once; judged only where somebody looked into it."""
    if dossier.copies is None:
        return
    for message in dossier.notifications:
        data = message.data
        if isinstance(data, MailAccepted):
            notes.saw()
            copies = dossier.copies.get(str(data.notice_id), 0)
            if copies != 1:
                sentence = f"The mail {data.kind} is held {copies} times."
                notes.wrong("MAIL_COPIES", sentence, at=[data.at], events=[message])


def ledger_as_told(dossier: Dossier, notes: Notes) -> None:
    """The mail ledger ends each notice as it was told."""
    ends = {
        data.notice_id: data.TYPE.split(".")[1].removeprefix("mail-")
        for message in dossier.notifications
        if isinstance(data := message.data, MailEvent)
    }
    for mail in dossier.mails:
        notes.saw()
        told = ends.get(mail.notice_id)
        if mail.status == "done" and told is not None and told != mail.outcome:
            sentence = f"The mail {mail.kind} ended {mail.outcome}, told was {told}."
            notes.wrong("MAIL_TOLD_OTHERWISE", sentence)
