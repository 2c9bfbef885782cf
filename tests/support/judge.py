"""Comparing every effect with the input, after a scene has become quiet."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import ConsumerRecord

from contracts import notifications
from contracts.topics import DEAD_LETTERS, REDRIVE, SERVICES, TOPICS
from devstack.behaviour import Customer
from ops.audit.dossier import Dossier
from ops.audit.gather import by_notice
from ops.audit.run import Report, audit
from ops.broker import Broker
from ops.records import read_whole
from ops.tail_lines import understood
from policies import load_policies
from tests.support.people import FIRST_ORDER, id_of
from tests.support.sight import Sight

_BY_NAME = {topic.name: topic for topic in TOPICS}
#: Mails that are sent once more when nobody knows whether they left (docs/architecture.md).
_SENT_AGAIN = ("order-confirmation", "renewal-reminder")


@dataclass(frozen=True)
class Verdict:
    """What was found in order: how many repetitions the topics hold, and how mails ended."""

    subscriptions: int
    #: Records that repeat an earlier one of the same id, byte for byte, on topics of ours.
    repeated: int
    #: Notices that were sent again because nobody knew whether they had left.
    resent: frozenset[str]
    #: Notices of which two copies arrived; always among `resent`.
    twice: frozenset[str]
    #: Notices whose end stays unknown.
    unknown: frozenset[str]

    def __str__(self) -> str:
        """For the summary."""
        said = [f"{self.subscriptions} subscriptions right, 0 violations"]
        said += [f"{self.repeated} repeated records dropped"] if self.repeated else []
        said += [f"{len(self.resent)} mails sent again"] if self.resent else []
        said += [f"{len(self.twice)} of them arrived twice"] if self.twice else []
        said += [f"{len(self.unknown)} ended unknown"] if self.unknown else []
        return ", ".join(said)


async def judge(
    sight: Sight,
    customers: Sequence[Customer],
    expected: Callable[[Customer], Mapping[str, int]] = lambda customer: FIRST_ORDER,
) -> Verdict:
    """Assert that every effect is there once, for every customer, and nothing else."""
    work = await sight.quiet()
    assert not work.stuck, work.stuck
    records, dead_letters = await _everything(sight)
    assert dead_letters == 0
    mails = await sight.mails()
    copies = by_notice(mail["MessageID"] for mail in mails)
    dossiers: list[Dossier] = []
    report = await audit(
        sight.stack,
        load_policies(),
        copies=copies if sight.mails_are_kept else None,
        on_judged=lambda dossier, done, total: dossiers.append(dossier),
        pause_s=0.1,
    )
    _told_once(dossiers, customers, expected)
    await _inbox_is_complete(sight, records)
    await _mails_go_to_their_people(sight, mails, customers)
    resent, twice, unknown = await _mails(sight, dossiers, copies)
    _agree(report, dossiers, twice)
    return Verdict(len(customers), _repeated(sight, records), resent, twice, unknown)


async def _everything(sight: Sight) -> tuple[list[ConsumerRecord], int]:
    """All records of all topics, and how many dead letters there are."""
    opaque = {topic.name for topic in (*DEAD_LETTERS.values(), *REDRIVE.values())}
    told = [sight.stack.topic(topic.name) for topic in TOPICS if topic.name not in opaque]
    async with Broker(sight.stack) as broker:
        letters = await broker.partitions(map(sight.stack.topic, opaque))
        ends = await broker.ends(letters)
        return await read_whole(broker, await broker.partitions(told)), sum(ends.values())


def _told_once(
    dossiers: Sequence[Dossier],
    customers: Sequence[Customer],
    expected: Callable[[Customer], Mapping[str, int]],
) -> None:
    told = {
        dossier.subscription_id: Counter(
            message.type.removesuffix(".v1")
            for topic in (dossier.billing, dossier.licensing, dossier.notifications)
            for message in topic
        )
        for dossier in dossiers
    }
    assert told.keys() == {id_of(customer) for customer in customers}
    for customer in customers:
        found, wanted = told[id_of(customer)], Counter(expected(customer))
        more, less = dict(found - wanted), dict(wanted - found)
        assert found == wanted, f"{customer.reference}: {more} too much, {less} missing"
    assert all(dossier.entitlement for dossier in dossiers)


def _agree(report: Report, dossiers: Sequence[Dossier], twice: frozenset[str]) -> None:
    """The audit finds nothing but the second copies that the guarantees allow."""
    found = report.findings.violations
    copies = [violation for violation in found if violation.code == "MAIL_COPIES"]
    assert [v for v in found if v not in copies] == []
    assert report.moving == 0
    accepted = [
        message.subject
        for dossier in dossiers
        for message in dossier.notifications
        if isinstance(message.data, notifications.MailAccepted)
        and str(message.data.notice_id) in twice
    ]
    assert Counter(v.subscription_id for v in copies) == Counter(accepted)


async def _inbox_is_complete(sight: Sight, records: Sequence[ConsumerRecord]) -> None:
    """Each inbox holds each message that its service reads exactly once, and nothing waits."""
    read: dict[str, set[tuple[str, str]]] = {service: set() for service in SERVICES}
    for record in records:
        topic = _BY_NAME[sight.stack.plain_topic(record.topic)]
        for service in {*topic.readers} & {*SERVICES} if topic.kept_days else ():
            read[service].add(_mark(record))
    async with sight.database() as connection:
        for service in SERVICES:
            rows = await connection.fetch(f"select source, id, status from {service}.inbox")
            assert {row["status"] for row in rows} == {"done"}
            assert {(row["source"], row["id"]) for row in rows} == read[service], service
            for table in ("outbox", "outbox_dead", "held"):
                assert await connection.fetchval(f"select count(*) from {service}.{table}") == 0


def _mark(record: ConsumerRecord) -> tuple[str, str]:
    message = understood(record.value)
    assert message is not None, record
    return message.source, message.id


async def _mails_go_to_their_people(
    sight: Sight, mails: Sequence[Mapping[str, Any]], customers: Sequence[Customer]
) -> None:
    emails = {id_of(customer): customer.email for customer in customers}
    async with sight.database() as connection:
        rows = await connection.fetch("select subscription_id, message_id from notifications.mail")
    wanted = {row["message_id"]: emails[row["subscription_id"]] for row in rows}
    for mail in mails:
        assert [to["Address"] for to in mail["To"]] == [wanted[f"<{mail['MessageID']}>"]]


async def _mails(
    sight: Sight, dossiers: Sequence[Dossier], copies: Mapping[str, int]
) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """Mails are there once; the two exceptions are those of docs/architecture.md.

    After a broken transfer, a confirmation or reminder is sent a second time under the same
    Message-ID; another mail ends as unknown, with one copy or none. A mailbox that has forgotten
    mails cannot show that one is missing.
    """
    least = 1 if sight.mails_are_kept else 0
    async with sight.database() as connection:
        rows = await connection.fetch("select * from notifications.read_mail")
    assert {row["status"] for row in rows} <= {"done"}
    unknown = {
        str(message.data.notice_id)
        for dossier in dossiers
        for message in dossier.notifications
        if isinstance(message.data, notifications.MailUnknown)
    }
    resent, twice = set(), set()
    left = dict(copies)
    for row in rows:
        notice = str(row["notice_id"])
        count = left.pop(notice, 0)
        if row["outcome"] == "retracted":
            assert count == 0, row
        elif row["resent"]:
            assert row["kind"] in _SENT_AGAIN, row
            assert row["outcome"] == "accepted", row
            assert least <= count <= 2, row
            resent.add(notice)
            twice |= {notice} if count == 2 else set()
        elif notice in unknown:
            assert row["kind"] not in _SENT_AGAIN, row
            assert row["outcome"] == "unknown", row
            assert count in (0, 1), row
        else:
            assert row["outcome"] == "accepted", row
            assert least <= count <= 1, row
    assert not left, "mails that nobody asked for"
    return frozenset(resent), frozenset(twice), frozenset(unknown)


def _repeated(sight: Sight, records: Sequence[ConsumerRecord]) -> int:
    """How many records of ours repeat an earlier one; a repetition has the same bytes."""
    first: dict[tuple[str, str], ConsumerRecord] = {}
    repeated = 0
    for record in records:
        if _BY_NAME[sight.stack.plain_topic(record.topic)].writer in SERVICES:
            earlier = first.setdefault(_mark(record), record)
            assert (earlier.key, earlier.value) == (record.key, record.value)
            repeated += earlier is not record
    return repeated
